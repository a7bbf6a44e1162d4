//! The published schemas: every report names one, and what a report holds is what its schema describes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mirror_core::config::{self, MirrorConfig};
use mirror_core::fault::Fault;
use mirror_core::name::{BranchName, CommitId, LaneName, NodeName, RefName, RepositoryName};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::config_check::ConfigCheckReport;
use mirror_core::report::config_check::ConfiguredLane;
use mirror_core::report::doctor::{DoctorReport, DoctorStep, LaneDoctor, RoadStep};
use mirror_core::report::flush::{FlushReport, LaneFlush};
use mirror_core::report::history::{HistoryEntry, HistoryReport, HistoryState, LaneHistory};
use mirror_core::report::init::InitReport;
use mirror_core::report::maintain::{
    LaneMaintain, MaintainReport, StoreFacts, TaskOutcome, Upkeep, UpkeepStep, UpkeepTask,
};
use mirror_core::report::resolve::{LaneResolve, Resolution, ResolveOutcome, ResolveReport};
use mirror_core::report::serve::{Scheme, ServeReport};
use mirror_core::report::snapshots::{LanePrune, LaneSnapshots, PruneReport, SnapshotsReport};
use mirror_core::report::status::{StatusReport, TransportView};
use mirror_core::report::sync::{LaneSync, SyncReport};
use mirror_core::report::token::{ShownToken, TokenEntry, TokenListReport, TokenNewReport, TokenRevokeReport};
use mirror_core::report::{ErrorReport, ExitCode, NextCommand, NextVerb, Reported, schemas};
use mirror_core::status::{LaneFacts, derive};
use serde_json::Value;

fn config() -> MirrorConfig {
    let text = "apiVersion: git-mirror/v1\nkind: MirrorConfig\nrepositories:\n  hwlab: { upstream: \"ssh://git@github.com/pikasTech/HWLAB.git\" }\n\
                nodes:\n  local:\n    cache: ./cache\n    githubTransport: { mode: ssh, identity: { file: ./key } }\n    lanes:\n      \
                main: { repository: hwlab, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }\n";
    config::parse("git-mirror.yaml", text).unwrap()
}

fn document(report: &impl Reported) -> Value {
    serde_json::to_value(report).unwrap()
}

/// One report of every verb.
fn documents() -> Vec<Value> {
    let config = config();
    let node = NodeName::parse("local").unwrap();
    let at = jiff::Timestamp::UNIX_EPOCH;
    let (lane, repository) = (LaneName::parse("main").unwrap(), RepositoryName::parse("hwlab").unwrap());
    let gitops = BranchName::parse("gitops").unwrap();
    let transport = TransportView::of(&config.repositories[&repository], &config.nodes[&node].transport);
    let facts = LaneFacts::unread(
        &config.nodes[&node].lanes[&lane],
        &config.repositories[&repository],
        &config.nodes[&node].transport,
        at,
    );
    let state = || derive(&facts).state;
    let fault = Fault::interrupted;
    let step =
        |step, fault: Option<Fault>| DoctorStep { step, ok: fault.is_none(), ms: 3, detail: String::new(), fault };
    let resolution = Resolution {
        name: gitops.ref_name(),
        before: Some(CommitId::from_bytes([1; 20])),
        upstream: Some(CommitId::from_bytes([2; 20])),
        after: Some(CommitId::from_bytes([2; 20])),
        rescue: Some(RefName::parse("refs/mirror-rescue/main/x").unwrap()),
        observed_at: at,
        outcome: ResolveOutcome::Adopted,
    };
    let entry = HistoryEntry {
        operation: "01a".to_owned(),
        verb: Verb::Sync.into(),
        lanes: vec!["main".to_owned()],
        started_at: Some(at),
        ended_at: None,
        pid: Some(1),
        host: None,
        writer: Some("promoter".to_owned()),
        state: HistoryState::Died,
        outcomes: [("main".to_owned(), "created".to_owned())].into(),
        recovered: vec!["git-mirror/op/1".to_owned()],
        report: None,
    };
    let history = LaneHistory {
        lane: lane.clone(),
        repository: repository.clone(),
        entries: vec![entry],
        unreadable_lines: 0,
        fault: None,
    };
    let steps = vec![step(RoadStep::Resolve, None), step(RoadStep::Tcp, Some(fault())), step(RoadStep::Connect, None)];
    let sync = LaneSync::failed(&lane, &repository, fault()).with_state(state());
    let flush = LaneFlush::nothing(&lane, &repository, &gitops).with_state(state());
    let resolve = LaneResolve::resolved(&lane, &repository, resolution).with_state(state());
    let lanes = || vec![lane.clone()];
    let token = || TokenEntry {
        name: "ci".to_owned(),
        limited_to: Some(lanes()),
        created_at: at,
        expires_at: Some(at),
        expired: true,
    };
    let served = ServeReport::listening(
        node.clone(),
        ConfiguredLane::all_of(&config),
        Scheme::Http,
        "127.0.0.1:8080".parse().unwrap(),
        &[(repository.clone(), "/pikasTech/HWLAB.git".to_owned())],
    );
    let tidied = StoreFacts { commit_graph_at: Some(at), ..StoreFacts::default() };
    let steps_taken =
        UpkeepTask::ALL.map(|task| UpkeepStep::new(task, TaskOutcome::Done, 3).with_bytes(2, 1).because("so"));
    let upkeep = Upkeep { before: StoreFacts::default(), steps: steps_taken.to_vec(), after: Some(tidied) };
    let maintained = LaneMaintain::failed(&lane, &repository, Some(upkeep), fault());
    vec![
        document(&served),
        document(&TokenNewReport::made(node.clone(), &lanes(), ShownToken::new("gmt_x"), token(), "tokens.yaml")),
        document(&TokenListReport::listed(node.clone(), lanes(), vec![token()], "tokens.yaml")),
        document(&TokenRevokeReport::revoked(node.clone(), &lanes(), token(), "tokens.yaml")),
        document(&StatusReport::of(node.clone(), vec![derive(&facts)])),
        document(&SyncReport::of(node.clone(), vec![sync]).in_mode(Mode::DryRun).with_fault(Some(fault()))),
        document(&FlushReport::of(node.clone(), vec![flush]).in_mode(Mode::Confirm)),
        document(&ResolveReport::of(node.clone(), vec![resolve]).in_mode(Mode::DryRun)),
        document(&SnapshotsReport::of(node.clone(), vec![LaneSnapshots::listed(&lane, &repository, &[])])),
        document(
            &PruneReport::of(node.clone(), vec![LanePrune::failed(&lane, &repository, fault())]).in_mode(Mode::Confirm),
        ),
        document(&MaintainReport::of(node.clone(), vec![maintained]).in_mode(Mode::Confirm)),
        document(&HistoryReport::of(node.clone(), vec![history])),
        document(&DoctorReport::of(node.clone(), vec![LaneDoctor::walked(&lane, &repository, transport, steps)])),
        document(&InitReport::written("git-mirror.yaml", node, &config)),
        document(&ConfigCheckReport::right("git-mirror.yaml", &config)),
        document(&ErrorReport::of(&fault(), vec![NextCommand::for_configuration(NextVerb::ConfigCheck)])),
    ]
}

/// What of a value its schema does not allow: a small reading of JSON Schema, as far as the published schemas go.
fn wrong(schema: &Value, root: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} is not there"));
        wrong(target, root, value, path, found);
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(list) = schema.get(alternatives).and_then(Value::as_array) {
            let fits = |one: &Value| {
                let mut inner = Vec::new();
                wrong(one, root, value, path, &mut inner);
                inner.is_empty()
            };
            if !list.iter().any(fits) {
                found.push(format!("{path}: {value} fits no alternative"));
            }
        }
    }
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        found.push(format!("{path}: {value} is not {constant}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        found.push(format!("{path}: {value} is none of {allowed:?}"));
    }
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<&str> = match kinds {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !kinds.contains(&kind) {
            found.push(format!("{path}: {value} is no {kinds:?}"));
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, item) in list.iter().enumerate() {
            wrong(items, root, item, &format!("{path}/{index}"), found);
        }
    }
    if let Some(object) = value.as_object() {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (key, value) in object {
            match properties.and_then(|properties| properties.get(key)) {
                Some(property) => wrong(property, root, value, &format!("{path}/{key}"), found),
                None if properties.is_some() => found.push(format!("{path}/{key} is not in the schema")),
                None => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !object.contains_key(*key)) {
            found.push(format!("{path}/{key} is required"));
        }
    }
}

#[test]
fn every_report_is_what_its_schema_describes() {
    let schemas = schemas();
    let documents = documents();
    assert_eq!(documents.len(), schemas.len(), "one report of every verb");
    for document in documents {
        let id = document["schema"].as_str().unwrap();
        let schema = schemas.get(id).unwrap_or_else(|| panic!("{id} is published"));
        let mut found = Vec::new();
        wrong(schema, schema, &document, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{id}: {document:#}");
    }
}

#[test]
fn the_reading_of_schemas_finds_what_is_wrong() {
    let schemas = schemas();
    let schema = &schemas["git-mirror/sync/v1"];
    let sound = documents().into_iter().find(|document| document["schema"] == "git-mirror/sync/v1").unwrap();
    let check = |change: fn(&mut Value), expect: &str| {
        let mut document = sound.clone();
        change(&mut document);
        let mut found = Vec::new();
        wrong(schema, schema, &document, "", &mut found);
        assert!(found.iter().any(|line| line.contains(expect)), "{expect}: {found:?}");
    };
    check(|document| document["schema"] = "git-mirror/flush/v1".into(), "/schema");
    check(|document| document["lanes"][0]["surprise"] = 1.into(), "/lanes/0/surprise is not in the schema");
    check(|document| document["ok"] = "yes".into(), "/ok");
    check(|document| document["lanes"][0]["fault"]["class"] = "odd".into(), "/lanes/0/fault");
    check(|document| drop(document.as_object_mut().unwrap().remove("next")), "/next is required");
}

#[test]
fn every_report_has_the_common_fields_in_camel_case() {
    fn keys(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.keys().cloned());
                object.values().for_each(|value| keys(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    for document in documents() {
        for field in ["schema", "ok", "node", "lanes", "next"] {
            assert!(document.get(field).is_some(), "{field} in {document:#}");
        }
        let mut found = Vec::new();
        keys(&document, &mut found);
        assert!(found.iter().all(|key| !key.contains(['_', '-'])), "{found:?}");
    }
}

#[test]
fn doctor_stops_at_the_step_that_fails() {
    let doctor = documents().into_iter().find(|document| document["schema"] == "git-mirror/doctor/v1").unwrap();
    let steps: Vec<_> =
        doctor["lanes"][0]["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["resolve", "tcp"]);
    assert_eq!(doctor["lanes"][0]["fault"]["code"], "mirror::interrupted");
    assert_eq!(doctor["ok"], false);
}

#[test]
fn a_wrong_configuration_names_every_place() {
    let text = "apiVersion: git-mirror/v1\nkind: MirrorConfig\nrepositries: {}\nnodes: 7\n";
    let error = config::parse("git-mirror.yaml", text).unwrap_err();
    let report = ConfigCheckReport::wrong("git-mirror.yaml", &error);
    assert_eq!((report.exit(), report.ok), (ExitCode::Usage, false));
    let places: Vec<_> = report.faults.iter().filter_map(|fault| fault.location.as_deref()).collect();
    for line in 3..5 {
        let begin = format!("git-mirror.yaml:{line}:");
        assert!(places.iter().any(|place| place.starts_with(&begin)), "line {line}: {places:?}");
    }
    assert_eq!(report.next()[0].to_string(), "git-mirror config check");
}
