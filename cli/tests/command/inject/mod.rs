//! `procgate inject` and `procgate uninject`.

mod containers;
mod custody;
mod refusals;
mod text;
mod told;

use crate::place::{Place, Ran};
use serde_json::Value;

const IMAGE: &str =
    "registry.example/procgate-shim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OPTIONS: [&str; 4] = ["--trust-domain", "shop.example", "--shim-image", IMAGE];

/// As a chart writes it: comments, lists further in, both kinds of quotes, an empty list, a block of text.
const CHART: &str = r#"---
# Source: shop/templates/checkout.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  labels: {app: checkout}
spec:
  replicas: 2
  template:
    metadata:
      labels:
        app: checkout   # the service's
        segment: 'pci'
    spec:
      serviceAccountName: checkout
      containers:
        - name: app
          image: "shop/checkout:1"
          command: ["/app/server"]
          args:
            - --port
            - "8080"
          env:
            - name: LEVEL
              value: info # for now
          securityContext: {}
        - name: reporter
          image: shop/reporter:1
          command:
            - sh
            - -c
            - |
              # twice a day
              while sleep 43200; do report; done

      volumes:
      # nothing yet
"#;

fn run(place: &Place, verb: &str, text: &str, more: &[&str]) -> Ran {
    let options: &[&str] = if verb == "inject" { &OPTIONS } else { &[] };
    place.run_with_input(&[&[verb], options, more].concat(), text.as_bytes())
}

fn injected_with(text: &str, more: &[&str]) -> Ran {
    let ran = run(&Place::new(), "inject", text, more);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

fn injected(text: &str) -> String {
    injected_with(text, &[]).out
}

fn uninjected(text: &str) -> String {
    let ran = run(&Place::new(), "uninject", text, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

fn refused(text: &str, more: &[&str]) -> String {
    run(&Place::new(), "inject", text, more).refused().to_owned()
}

fn value(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A pod spec with these containers.
fn pod(spec: &str) -> String {
    format!("kind: Pod\nmetadata: {{name: checkout}}\nspec: {spec}\n")
}

fn one(container: &str) -> String {
    pod(&format!("{{containers: [{{name: app, {container}}}]}}"))
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let items = list.as_array().unwrap().iter();
    items.clone().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}"))
}
