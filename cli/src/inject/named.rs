//! Options that are about one container: `[WORKLOAD/]CONTAINER=VALUE`.

use crate::failure::Problem;
use core::cell::Cell;

/// What was said of containers on the command line.
#[derive(Debug)]
pub(super) struct Named<T> {
    option: &'static str,
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    text: String,
    workload: Option<String>,
    container: String,
    value: T,
    /// Whether there was such a container.
    used: Cell<bool>,
}

impl<T> Named<T> {
    /// Reads each text, its value with `parse`.
    pub(super) fn parse(
        option: &'static str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Self, Problem> {
        let entry = |text: &String| {
            let at = |problem: Problem| problem.at(format!("{option} {text}"));
            let missing =
                || at(Problem::new("names no container").next("write CONTAINER=…, or WORKLOAD/CONTAINER=…"));
            let (place, value) =
                text.split_once('=').filter(|(place, _)| !place.is_empty()).ok_or_else(missing)?;
            let (workload, container) = match place.split_once('/') {
                Some((workload, container)) => (Some(workload.to_owned()), container.to_owned()),
                None => (None, place.to_owned()),
            };
            Ok(Entry {
                text: text.clone(),
                workload,
                container,
                value: parse(value).map_err(at)?,
                used: Cell::new(false),
            })
        };
        Ok(Self { option, entries: texts.iter().map(entry).collect::<Result<_, Problem>>()? })
    }

    /// What was said of this container; what names the workload too counts before what does not.
    pub(super) fn of(&self, workload: &str, container: &str) -> Option<&T> {
        let fits = |entry: &&Entry<T>| {
            entry.container == container && entry.workload.as_ref().is_none_or(|name| name == workload)
        };
        let entry = self.entries.iter().filter(fits).max_by_key(|entry| entry.workload.is_some())?;
        entry.used.set(true);
        Some(&entry.value)
    }

    /// What was said of containers that are not there, or need it not.
    pub(super) fn unused(&self) -> impl Iterator<Item = Problem> {
        self.entries.iter().filter(|entry| !entry.used.get()).map(|entry| {
            Problem::new("there is no such container that needs it")
                .at(format!("{} {}", self.option, entry.text))
                .next("correct the name, or leave it out")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_workload_counts_before_what_does_not() {
        let texts = ["app=1", "web/app=2", "x=3"].map(String::from);
        let named = Named::parse("--n", &texts, |text| Ok(text.to_owned())).unwrap();
        assert_eq!(named.of("web", "app").unwrap(), "2");
        assert_eq!(named.of("other", "app").unwrap(), "1");
        assert_eq!(named.of("web", "db"), None);
        assert_eq!(named.unused().count(), 1);
    }
}
