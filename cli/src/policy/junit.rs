//! Cases as JUnit XML, which GitHub's and GitLab's reports, Jenkins and others show beside a change. There is no
//! standard; this is what all of them read: <https://github.com/testmoapp/junitxml>.

use super::test::TestedCase;
use crate::escape::escape;
use crate::failure::Problem;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

/// All cases, each with the file that it stands in for a class.
pub(super) fn report(cases: &[TestedCase], failed: usize) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    write(&mut bytes, cases, failed).map_err(Problem::new)?;
    String::from_utf8(bytes).map_err(Problem::new)
}

fn write(bytes: &mut Vec<u8>, cases: &[TestedCase], failed: usize) -> io::Result<()> {
    let mut out = Writer::new_with_indent(bytes, b' ', 2);
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let (all, failed) = (cases.len().to_string(), failed.to_string());
    let counts = [("name", "procgate policy test"), ("tests", &all), ("failures", &failed), ("errors", "0")];
    out.create_element("testsuites").with_attributes(counts).write_inner_content(|out| {
        let suite = out.create_element("testsuite").with_attributes(counts);
        suite.write_inner_content(|out| cases.iter().try_for_each(|case| write_case(out, case)))?;
        Ok(())
    })?;
    out.get_mut().push(b'\n');
    Ok(())
}

fn write_case(out: &mut Writer<&mut Vec<u8>>, case: &TestedCase) -> io::Result<()> {
    let (name, file) = (plain(&case.name), plain(&case.file));
    let element = out.create_element("testcase").with_attributes([
        ("name", name.as_str()),
        ("classname", &file),
        ("file", &file),
    ]);
    if case.passed {
        element.write_empty()?;
        return Ok(());
    }
    let expected: Vec<_> = case.expected.iter().map(|what| plain(what)).collect();
    let message = format!("expected {}", expected.join("; "));
    let why = case.explanation.as_ref().map(|why| sayable(&why.to_string())).unwrap_or_default();
    element.write_inner_content(|out| {
        let failure = out.create_element("failure").with_attribute(("message", message.as_str()));
        failure.write_text_content(BytesText::new(&why))?;
        Ok(())
    })?;
    Ok(())
}

/// Without what a viewer might obey, and without what XML cannot say at all.
fn plain(text: &str) -> String {
    sayable(&escape(text).to_string())
}

fn sayable(text: &str) -> String {
    text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}
