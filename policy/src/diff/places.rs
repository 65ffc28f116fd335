//! Where processes run, as patterns of container, namespace and service account.

use crate::model::Process;
use rustc_hash::FxHashSet;

/// Container, namespace and service account; nothing where any will do.
pub(super) type Place<'p> = [Option<&'p str>; 3];

/// Places that are told apart for one executable. Each process adds one, and one for every other that
/// it can share a container with: those who pin different parts of the place multiply.
const MAX_PLACES: usize = 100_000;

/// The place of a process.
pub(super) fn of(process: &Process) -> Place<'_> {
    [process.container.as_deref(), process.namespace.as_deref(), process.service_account.as_deref()]
}

/// Where both are; nothing where no container is in both.
pub(super) fn meet<'p>(one: Place<'p>, other: Place<'p>) -> Option<Place<'p>> {
    let [a, b, c] = one;
    let [d, e, f] = other;
    Some([both(a, d)?, both(b, e)?, both(c, f)?])
}

/// Of one part of a place.
#[allow(clippy::option_option, reason = "no place at all, or one where any name will do")]
fn both<'p>(one: Option<&'p str>, other: Option<&'p str>) -> Option<Option<&'p str>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => Some(one.or(other)),
    }
}

/// Whether whoever is at `narrow`, and nowhere that it does not name, is at `wide` too.
pub(super) fn covers(wide: Place<'_>, narrow: Place<'_>) -> bool {
    wide.iter().zip(narrow).all(|(wide, narrow)| wide.is_none() || *wide == narrow)
}

/// Every set of these places that a container can be at, by the place where they meet. A container
/// with no name that the place does not ask for is at no others.
///
/// Nothing where there are more than [`MAX_PLACES`].
pub(super) fn meets<'p>(places: impl Iterator<Item = Place<'p>>) -> Option<Vec<Place<'p>>> {
    let mut met = vec![[None; 3]];
    let mut known: FxHashSet<Place<'p>> = met.iter().copied().collect();
    let mut distinct: FxHashSet<Place<'p>> = FxHashSet::default();
    for place in places {
        if !distinct.insert(place) {
            continue;
        }
        for at in 0..met.len() {
            let meeting = met.get(at).and_then(|other| meet(*other, place));
            met.extend(meeting.filter(|place| known.insert(*place)));
        }
        if met.len() > MAX_PLACES {
            return None;
        }
    }
    Some(met)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_pin_different_parts_meet() {
        let (app, shop) = ([Some("app"), None, None], [None, Some("shop"), None]);
        let side = [Some("side"), None, None];
        let met = meets([app, shop, side, app].into_iter()).unwrap();
        let wanted = [
            [None; 3],
            app,
            shop,
            [Some("app"), Some("shop"), None],
            side,
            [Some("side"), Some("shop"), None],
        ];
        assert_eq!(met, wanted);
        assert!(covers(app, [Some("app"), Some("shop"), None]) && !covers(app, shop));
    }
}
