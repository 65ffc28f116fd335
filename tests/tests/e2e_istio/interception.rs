//! Redirect rules of mode TPROXY, where connections that come in keep both their addresses.

use crate::Test;
use crate::receiver::both_ends;
use crate::rows::{only_the_approved_program, row};
use crate::stage::{Stage, built};
use libtest_mimic::Failed;
use procgate_tests::istio::{Cluster, Interception};
use std::sync::Arc;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("what_comes_in_by_tproxy_is_judged_like_what_is_redirected", |cluster| {
        both_ends(cluster, Interception::Tproxy)
    }),
    ("what_goes_out_is_judged_alike_under_tproxy", outbound),
];

fn outbound(cluster: &Arc<Cluster>) -> Result<(), Failed> {
    let stage = Stage::intercepted(cluster, built(cluster, "overlays/enforce"), Interception::Tproxy);
    let listeners = stage.pod.admin("/config_dump?resource=dynamic_listeners");
    if listeners.matches("\"transparent\": true").count() != 2 {
        return Err("the listeners that rules lead to are not those of TPROXY".into());
    }
    for chain in ["http_service", "http_service_by_header", "headless_server_first", "unlisted_tcp"] {
        only_the_approved_program(&stage, row(chain))?;
    }
    Ok(())
}
