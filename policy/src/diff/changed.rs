//! Which rules can make a difference.

use super::both::Both;
use super::region::Region;
use super::set::Set;
use super::side::Side;
use rustc_hash::FxHashMap;

/// Of either policy, whether each rule can make a difference to those whom both recognise.
///
/// A rule that stands in both policies, matches the same in both, and comes in the same order as all
/// others of its kind cannot: where one of these decides before and another one after, each matches
/// in both policies, and each comes before the other.
pub(super) fn changed(sides: Both<&Side<'_>>, recognised_by_both: u32) -> Both<Vec<bool>> {
    let after = sides.after.rules.iter().enumerate();
    let by_name: FxHashMap<&str, usize> = after.map(|(number, rule)| (rule.name, number)).collect();
    let same: Vec<(usize, usize)> = sides
        .before
        .rules
        .iter()
        .enumerate()
        .filter_map(|(number, rule)| {
            let other = *by_name.get(rule.name)?;
            let numbers = Both { before: number, after: other };
            is_same(sides, numbers, recognised_by_both).then_some((number, other))
        })
        .collect();
    let mut changed = sides.map(|side| vec![true; side.rules.len()]);
    for (before, after) in in_order(&same) {
        changed.before.get_mut(before).into_iter().for_each(|changed| *changed = false);
        changed.after.get_mut(after).into_iter().for_each(|changed| *changed = false);
    }
    changed
}

fn is_same(sides: Both<&Side<'_>>, rules: Both<usize>, recognised_by_both: u32) -> bool {
    let effect = |side: &Side<'_>, rule: usize| side.rules.get(rule).map(|rule| rule.effect);
    effect(sides.before, rules.before) == effect(sides.after, rules.after)
        && all_limited(sides.before, rules.before, recognised_by_both)
            == all_limited(sides.after, rules.after, recognised_by_both)
}

fn all_limited<'p>(side: &Side<'p>, rule: usize, recognised_by_both: u32) -> Vec<Region<'p>> {
    let regions = side.regions_of(rule);
    let mut regions: Vec<_> = regions.filter_map(|region| limited(region, recognised_by_both)).collect();
    regions.sort_unstable();
    regions
}

/// The region without identities that only one policy recognises; nothing where that leaves nobody.
fn limited<'p>(region: &Region<'p>, recognised_by_both: u32) -> Option<Region<'p>> {
    let mut limited = region.clone();
    if let Some(classes) = region.who.recognised.listed() {
        let known = classes.partition_point(|class| *class < recognised_by_both);
        limited.who.recognised = Set::Of(classes.get(..known)?.into());
        (known > 0 || region.who.nobody).then_some(())?;
    }
    Some(limited)
}

/// The most of these pairs whose second numbers ascend as their first ones do (Knuth 5.1.4, by
/// patience sorting).
fn in_order(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // Of each length, the place of the pair that ends such a row lowest; and before each pair, which.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::new();
    let second = |at: &usize| pairs.get(*at).map(|(_, second)| *second);
    for (at, (_, number)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| second(end) < Some(*number));
        before.push(length.checked_sub(1).and_then(|length| ends.get(length)).copied());
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut row = Vec::new();
    let mut next = ends.last().copied();
    while let Some(at) = next {
        row.extend(pairs.get(at));
        next = before.get(at).copied().flatten();
    }
    row.reverse();
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_rules_count_as_moved() {
        let pairs = |seconds: &[usize]| seconds.iter().copied().enumerate().collect::<Vec<_>>();
        assert_eq!(in_order(&pairs(&[0, 1, 2])), pairs(&[0, 1, 2]));
        assert_eq!(in_order(&pairs(&[3, 0, 1, 2])), [(1, 0), (2, 1), (3, 2)]);
        assert_eq!(in_order(&pairs(&[1, 0])).len(), 1);
        assert_eq!(in_order(&[]), []);
    }
}
