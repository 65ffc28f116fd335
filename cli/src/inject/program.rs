//! What a container runs: its command, or what its image would run without one.

use super::container::Container;
use super::settings::Settings;
use crate::digest::Start;
use crate::failure::Problem;
use crate::yaml::Fault;

/// A container's program.
#[derive(Debug)]
pub(super) enum Program {
    /// Its manifest says it.
    Written,
    /// It was said on the command line, or by its image.
    Told {
        command: Vec<String>,
        /// What the image has behind the command, where the manifest has no arguments.
        args: Option<Vec<String>>,
    },
}

/// Finds it out.
pub(super) fn program(
    container: &Container<'_>,
    workload: &str,
    settings: &Settings,
) -> Result<Program, Fault> {
    if !container.command().is_empty() {
        return Ok(Program::Written);
    }
    if let Some(words) = settings.entrypoints.of(workload, container.name) {
        return Ok(Program::Told { command: words.clone(), args: None });
    }
    let fault = |problem| Fault { line: container.node.line, problem };
    let has_args = container.node.get("args").is_some_and(|args| !args.items().is_empty());
    match settings.images.of(workload, container.name) {
        Some(image) => of_image(image, has_args).ok_or_else(|| {
            let problem =
                Problem::new(format!("the image of {} has neither ENTRYPOINT nor CMD", container.name));
            fault(problem.next(format!("say what it runs with --entrypoint {}=…", container.name)))
        }),
        None => Err(fault(without_command(container.name))),
    }
}

fn of_image(image: &Start, has_args: bool) -> Option<Program> {
    let command = image.entrypoint().iter().map(|word| literal(word)).collect::<Vec<_>>();
    let args = (!has_args && !image.cmd().is_empty())
        .then(|| image.cmd().iter().map(|word| literal(word)).collect());
    (!command.is_empty() || has_args || args.is_some()).then_some(Program::Told { command, args })
}

/// A word of the image, which Kubernetes would else look for `$(NAME)` in.
fn literal(word: &str) -> String {
    word.replace('$', "$$")
}

fn without_command(name: &str) -> Problem {
    let what = format!(
        "container {name} has no command: what it runs is said in its image, and the shim has to be told the program"
    );
    Problem::new(what).next(format!(
        "write its command, or give --entrypoint {name}='[\"/path/of/program\"]', or --image-config {name}=PATH of its \
         image as an OCI layout or from `docker save`"
    ))
}

/// The words of `--entrypoint`: a JSON list of them, or words with spaces between.
pub(super) fn words(text: &str) -> Result<Vec<String>, Problem> {
    let next =
        r#"write words with spaces between, or a JSON list, such as ["/app/server", "--name", "two words"]"#;
    let words: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| Problem::new("is no JSON list of texts").next(next))?
    } else if text.contains(['"', '\'', '\\']) {
        return Err(Problem::new("has quotes in it, and no shell reads it").next(next));
    } else {
        text.split_whitespace().map(Into::into).collect()
    };
    if words.is_empty() { Err(Problem::new("names no program").next(next)) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_divided_by_spaces_or_said_one_by_one() {
        assert_eq!(words("/app/server --port 80").unwrap(), ["/app/server", "--port", "80"]);
        assert_eq!(words(r#"["/a b", "$HOME"]"#).unwrap(), ["/a b", "$HOME"]);
        for wrong in ["", "  ", "[]", "[1]", "sh -c 'a b'", "[\"a\""] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }
}
