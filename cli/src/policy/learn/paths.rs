//! The paths of requests as a tree, in which ids are folded and no place has names without end.
//!
//! Which places fold depends on the set of paths alone and not on their order, since a fold only ever
//! brings more names to one place: so trees of parts of a log can be put together in any order.

use super::evidence::{Evidence, Seen};
use hashbrown::HashMap;
use procgate_policy::{MAX_TEXT, clear_path};

/// Names at one place of a path that are told apart: large APIs have some dozens of resources below one.
/// More are names of things, as ids are, and become a star.
pub(super) const MAX_NAMES: usize = 64;
/// Segments that are looked at; what lies deeper is taken as one.
pub(super) const MAX_DEPTH: usize = 16;
/// What a name begins with in a summary that stands for more than itself. No clear path has it.
const MARK: char = '\\';
const ID: &str = "\\id";
const ANY: &str = "\\any";
const REST: &str = "\\rest";

/// A place in a path: what was seen there, and what follows. There are as many as flows and more, nearly all with one
/// name or none, and a table has room for four: so what is large is elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Paths that end here.
    ends: Option<Box<Evidence>>,
    /// Paths that go on beyond [`MAX_DEPTH`].
    rest: Option<Box<Evidence>>,
    names: HashMap<String, Box<Self>>,
    /// The only name here that looks like an id. With a second one, both fold.
    id: Option<String>,
    /// What follows after any name that was folded.
    any: Option<Box<Self>>,
    /// Whether all names are folded, and not only ids.
    folded: bool,
}

impl Place {
    /// Notes a path, given as the segments behind the first slash; from a summary, they may be marks.
    /// Says whether it is new.
    pub(super) fn add<'p>(&mut self, segments: impl Iterator<Item = &'p str>, seen: Seen<'_>) -> bool {
        let mut place = self;
        for (depth, segment) in segments.enumerate() {
            if depth >= MAX_DEPTH || segment == REST {
                return note(&mut place.rest, seen);
            }
            place = place.child(segment);
        }
        note(&mut place.ends, seen)
    }

    /// Notes something that has no path.
    pub(super) fn add_without_path(&mut self, seen: Seen<'_>) -> bool {
        note(&mut self.ends, seen)
    }

    /// Whether a path, or what has none, would be nothing new.
    pub(super) fn knows<'p>(&self, segments: Option<impl Iterator<Item = &'p str>>) -> bool {
        let mut place = self;
        for (depth, segment) in segments.into_iter().flatten().enumerate() {
            if depth >= MAX_DEPTH || segment == REST {
                return place.rest.is_some();
            }
            match place.names.get(segment).or(place.any.as_ref()) {
                Some(next) => place = next.as_ref(),
                None => return false,
            }
        }
        place.ends.is_some()
    }

    fn child(&mut self, name: &str) -> &mut Self {
        let folded = match name {
            "" => false,
            ID => self.fold_ids(),
            ANY => self.fold_all(),
            _ if self.folded => true,
            _ if looks_like_id(name) => match &self.id {
                _ if self.any.is_some() => true,
                Some(known) if known != name => self.fold_ids(),
                Some(_) => false,
                None => {
                    self.id = Some(name.into());
                    false
                }
            },
            _ => self.plain_names() >= MAX_NAMES && !self.names.contains_key(name) && self.fold_all(),
        };
        if folded { self.any.get_or_insert_default() } else { self.names.entry_ref(name).or_default() }
    }

    fn plain_names(&self) -> usize {
        let others = usize::from(self.id.is_some()).saturating_add(usize::from(self.names.contains_key("")));
        self.names.len().saturating_sub(others)
    }

    fn fold_ids(&mut self) -> bool {
        let known = self.id.take().and_then(|id| self.names.remove(&id));
        let any = self.any.get_or_insert_default();
        if let Some(known) = known {
            any.take_in(&known);
        }
        true
    }

    fn fold_all(&mut self) -> bool {
        self.fold_ids();
        self.folded = true;
        let any = self.any.get_or_insert_default();
        for (_, place) in self.names.extract_if(|name, _| !name.is_empty()) {
            any.take_in(&place);
        }
        true
    }

    /// Takes all of another tree in.
    pub(super) fn take_in(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.ends, &other.ends), (&mut self.rest, &other.rest)] {
            if let Some(theirs) = theirs {
                note(mine, Seen::Before(theirs));
            }
        }
        if other.folded {
            self.fold_all();
        }
        if let Some(any) = &other.any {
            self.child(ID).take_in(any);
        }
        for (name, place) in &other.names {
            self.child(name).take_in(place);
        }
    }

    /// What was there before this hour, if there was anything.
    pub(super) fn before(&self, hour: u64) -> Option<Self> {
        let cut = |evidence: &Option<Box<Evidence>>| evidence.as_ref()?.before(hour).map(Box::new);
        let names = self.names.iter();
        let names = names.filter_map(|(name, place)| Some((name.clone(), place.before(hour)?.into())));
        let before = Self {
            ends: cut(&self.ends),
            rest: cut(&self.rest),
            names: names.collect(),
            id: self.id.clone(),
            any: self.any.as_ref().and_then(|any| any.before(hour)).map(Box::new),
            folded: self.folded,
        };
        let any = before.ends.is_some() || before.rest.is_some() || before.any.is_some();
        (any || !before.names.is_empty()).then_some(before)
    }

    /// Every path, as a summary tells it: what was folded as marks.
    pub(super) fn each(&self, prefix: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Evidence)) {
        if let Some(ends) = &self.ends {
            visit(prefix, ends);
        }
        let mut below = |name: &str, act: &mut dyn FnMut(&mut Vec<String>)| {
            prefix.push(name.into());
            act(prefix);
            prefix.pop();
        };
        if let Some(rest) = &self.rest {
            below(REST, &mut |prefix| visit(prefix, rest));
        }
        if let Some(any) = &self.any {
            below(if self.folded { ANY } else { ID }, &mut |prefix| any.each(prefix, visit));
        }
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        for (name, place) in names {
            below(name, &mut |prefix| place.each(prefix, visit));
        }
    }
}

/// Whether this segment of [`Place::each`] stands for more than itself.
pub(super) fn is_mark(segment: &str) -> bool {
    segment.starts_with(MARK)
}

/// Whether this segment stands for all that may follow.
pub(super) fn is_rest(segment: &str) -> bool {
    segment == REST
}

/// Whether [`Place::each`] could tell a path so: with marks in the place of names.
pub(super) fn is_told(path: &str) -> bool {
    let before_rest = path.strip_suffix(REST).filter(|before| before.is_empty() || before.ends_with('/'));
    let names = before_rest.map_or_else(|| path.into(), |before| format!("{before}1"));
    let name = |segment| if matches!(segment, ID | ANY) { "1" } else { segment };
    let plain: Vec<&str> = names.split('/').map(name).collect();
    let plain = format!("/{}", plain.join("/"));
    // What is cut off of a request's path is in no clear one.
    clear_path(&plain).is_some_and(|path| is_sayable(&path)) && !plain.contains(['?', '#'])
}

/// Whether a pattern can say the segments of a clear path.
pub(super) fn is_sayable(path: &str) -> bool {
    path.len() < MAX_TEXT && !path.contains('*')
}

fn note(evidence: &mut Option<Box<Evidence>>, seen: Seen<'_>) -> bool {
    let new = evidence.is_none();
    evidence.get_or_insert_default().add(seen);
    new
}

/// Numbers, dates, hexadecimal ids with or without dashes, and long random names.
fn looks_like_id(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let all = |fits: fn(&u8) -> bool| name.bytes().all(|byte| fits(&byte));
    let number = digits > 0 && all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    let hex = digits > 0 && name.len() >= 8 && all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let random = digits >= 4
        && name.len() >= 16
        && all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'.' | b'~'));
    number || hex || random
}

#[cfg(test)]
mod tests {
    use super::super::pods::Pod;
    use super::*;
    use procgate_identity::UnixNanos;

    fn tree(paths: &[&str]) -> Place {
        let mut tree = Place::default();
        let pod = Pod::new("pod");
        for path in paths {
            tree.add(path.split('/'), Seen::Once(UnixNanos(1), &pod));
        }
        tree
    }

    fn shown(tree: &Place) -> Vec<String> {
        let mut all = Vec::new();
        tree.each(&mut Vec::new(), &mut |path, evidence| {
            all.push(format!("{} {}", path.join("/"), evidence.count))
        });
        all.sort();
        all
    }

    #[test]
    fn one_id_stays_and_two_fold() {
        assert_eq!(shown(&tree(&["charge/17", "charge/17"])), ["charge/17 2"]);
        assert_eq!(
            shown(&tree(&["charge/17", "charge/new", "charge/18", "charge/"])),
            ["charge/ 1", "charge/\\id 2", "charge/new 1",]
        );
    }

    #[test]
    fn what_follows_ids_is_put_together() {
        let paths = ["u/1/orders", "u/2/orders", "u/2/name", "u/me/orders"];
        assert_eq!(shown(&tree(&paths)), ["u/\\id/name 1", "u/\\id/orders 2", "u/me/orders 1"]);
    }

    #[test]
    fn names_without_end_fold_and_take_ids_along() {
        let many: Vec<String> = (0..MAX_NAMES).map(|index| format!("who/n{index}x/y")).collect();
        let mut paths: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(shown(&tree(&paths)).len(), MAX_NAMES);
        paths.extend(["who/one-more/z", "who/1", "who/2"]);
        assert_eq!(shown(&tree(&paths)), ["who/\\any 2", "who/\\any/y 64", "who/\\any/z 1"]);
    }

    #[test]
    fn what_lies_deep_is_taken_as_one() {
        let deep = "a/".repeat(MAX_DEPTH);
        let expected = format!("{}\\rest 2", "a/".repeat(MAX_DEPTH));
        assert_eq!(shown(&tree(&[&format!("{deep}b"), &format!("{deep}c/d")])), [expected]);
    }

    #[test]
    fn a_path_is_told_in_clear_names_and_in_marks() {
        for path in ["", "a", "a/", "a/\\id/b", "\\any", "\\rest", "a/\\rest", "\\id/\\rest"] {
            assert!(is_told(path), "{path}");
        }
        let long = "x".repeat(MAX_TEXT);
        for path in [
            "*",
            "**",
            "a/*",
            "\\foo",
            "a\\rest",
            "\\rest/x",
            "a//\\rest",
            "../x",
            "%2f",
            "a?b",
            "a b",
            &long,
        ] {
            assert!(!is_told(path), "{path}");
        }
    }

    #[test]
    fn ids_are_known_by_their_look() {
        for id in [
            "7",
            "2026-11-23",
            "6f1c2e9a-77aa-4f0e-9a40-0d2ad8a0c6f1",
            "deadbeef01",
            "ch_3MtwBwLkdIwHu7ix28a3tqPa",
        ] {
            assert!(looks_like_id(id), "{id}");
        }
        for name in ["", "charge", "v1", "deadbeef", "md5", "release-notes", "internationalization", "."] {
            assert!(!looks_like_id(name), "{name}");
        }
    }
}
