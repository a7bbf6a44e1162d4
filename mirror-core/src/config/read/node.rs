//! The nodes: folders of this machine and namespaces of clusters, with their lanes.

use std::collections::BTreeMap;

use super::across::{Declared, LaneSeen, resolve_repositories};
use super::block::{At, Block, Field, Found};
use super::file::parse_key;
use super::judge::Judge;
use super::kubernetes::{cidr, image, label_name, object_name, service_account, volume_size};
use super::lane::{LaneKey, read_lane};
use super::serve::read_serve;
use super::transport::{TransportLayer, read_transport};
use crate::config::finding::Finding;
use crate::config::problem::AcrossFault;
use crate::config::types::{
    ClusterMirror, ClusterSettings, Lane, LocalSettings, Node, NodeKind, NodeSettings, ProxyEgress, Serve, Service,
    Storage, Writers,
};
use crate::name::{LaneName, NodeName};

pub(super) fn read_nodes(
    field: &Field<'_>,
    common: &TransportLayer,
    declared: &mut Declared,
    found: &mut Found,
) -> BTreeMap<NodeName, Node> {
    let mut nodes = BTreeMap::new();
    let Some(block) = field.block(found) else { return nodes };
    let mut names: Vec<At<String>> = Vec::new();
    for (name, field) in block.named() {
        names.push(At { value: name.value.to_owned(), span: name.span.clone() });
        let parsed = parse_key(&name, NodeName::parse, found);
        let read = parsed.and_then(|name| read_node(&field, name, common, declared, found));
        if let Some(node) = read {
            nodes.insert(node.name.clone(), node);
        }
    }
    declared.node_names = names;
    nodes
}

fn read_node(
    field: &Field<'_>,
    name: NodeName,
    common: &TransportLayer,
    declared: &mut Declared,
    found: &mut Found,
) -> Option<Node> {
    let mut block = field.block(found)?;
    let cache = block.take("cache");
    let cluster = block.take("cluster");
    let kind = match (&cache, &cluster) {
        (Some(_), None) => NodeKind::Local,
        (None, Some(_)) => NodeKind::Cluster,
        (Some(cache), Some(cluster)) => {
            let fault = AcrossFault::NodePlace { node: name.to_string(), found: "both a cache folder and a cluster" };
            found.push(Finding::new(fault, cache.key.clone(), "a folder").also(cluster.key.clone(), "and a cluster"));
            return None;
        }
        (None, None) => {
            let fault =
                AcrossFault::NodePlace { node: name.to_string(), found: "neither a cache folder nor a cluster" };
            found.push(Finding::new(fault, field.key.clone(), "this node"));
            return None;
        }
    };
    let judge = Judge { node: name.as_str(), node_key: &field.key, kind };
    let settings = match kind {
        NodeKind::Local => read_local(cache.as_ref(), &mut block, &judge, found),
        NodeKind::Cluster => read_cluster(cluster.as_ref(), &mut block, &judge, found),
    };
    if let (Some(NodeSettings::Local(local)), Some(field)) = (&settings, &cache) {
        declared.caches.push((name.to_string(), At { value: local.cache.clone(), span: field.span() }));
    }
    let own = match block.take("githubTransport") {
        Some(field) => read_transport(&field, found),
        None => TransportLayer::default(),
    };
    let transport = own.over(common, name.as_str(), &field.key, kind, found);
    let lanes = block
        .need("lanes", "`lanes: { main: { repository: …, source: { … }, gitops: { … } } }`")
        .map(|field| read_lanes(&field, &judge, found));
    block.finish(found);
    let mut seen = lanes?;
    resolve_repositories(&mut seen, declared, found);
    let lanes: BTreeMap<LaneName, Lane> = seen.iter().map(|seen| (seen.lane.name.clone(), seen.lane.clone())).collect();
    declared.lanes.push((name.to_string(), seen));
    Some(Node { name, settings: settings?, transport: transport?, lanes })
}

fn read_lanes(field: &Field<'_>, judge: &Judge<'_>, found: &mut Found) -> Vec<LaneSeen> {
    let mut lanes = Vec::new();
    let Some(block) = field.block(found) else { return lanes };
    let mut names: Vec<At<String>> = Vec::new();
    for (position, (name, field)) in block.named().enumerate() {
        names.push(At { value: name.value.to_owned(), span: name.span.clone() });
        if let Some(name) = parse_key(&name, LaneName::parse, found) {
            lanes.extend(read_lane(&field, LaneKey { name, position }, judge, found));
        }
    }
    if names.is_empty() {
        let fault = crate::config::problem::ValueFault::NoEntry {
            path: field.path.clone(),
            example: "`main: { repository: …, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }`",
        };
        found.push(Finding::new(fault, field.key.clone(), "no lane"));
    }
    super::across::refuse_case_only("lanes", &names, found);
    lanes
}

fn read_local(
    cache: Option<&Field<'_>>,
    block: &mut Block<'_>,
    judge: &Judge<'_>,
    found: &mut Found,
) -> Option<NodeSettings> {
    for key in ["namespace", "mirror"] {
        if let Some(field) = block.take_foreign(key) {
            other_kind(&field, judge, "cluster", "local", found);
        }
    }
    let serve = block.take_even_empty("serve").map(|field| read_serve(&field, judge, "serve", found));
    let cache = cache?.file_path(found)?;
    match serve {
        Some(None) => None,
        Some(Some(serve)) => Some(NodeSettings::Local(LocalSettings { cache, serve: Some(Box::new(serve)) })),
        None => Some(NodeSettings::Local(LocalSettings { cache, serve: None })),
    }
}

fn read_cluster(
    cluster: Option<&Field<'_>>,
    block: &mut Block<'_>,
    judge: &Judge<'_>,
    found: &mut Found,
) -> Option<NodeSettings> {
    if let Some(field) = block.take_foreign("serve") {
        other_kind(&field, judge, "local", "cluster", found);
    }
    let context = cluster?.block(found).and_then(|mut block| {
        let context = block.need("context", "`context: NAME`, of your kubeconfig").and_then(|field| field.text(found));
        block.finish(found);
        context.map(|text| text.value.to_owned())
    });
    let namespace = block.need("namespace", "`namespace: devops-infra`").and_then(|field| label_name(&field, found));
    let mirror = match block.take("mirror") {
        Some(field) => read_mirror(&field, judge, found),
        None => Some(default_mirror()),
    };
    Some(NodeSettings::Cluster(Box::new(ClusterSettings { context: context?, namespace: namespace?, mirror: mirror? })))
}

fn other_kind(field: &Field<'_>, judge: &Judge<'_>, belongs: &'static str, is: &'static str, found: &mut Found) {
    let fault = AcrossFault::OtherKind { path: field.path.clone(), node: judge.node.to_owned(), belongs, is };
    found.push(Finding::new(fault, field.key.clone(), format!("only on a {belongs} node")));
}

fn default_mirror() -> ClusterMirror {
    ClusterMirror {
        image: None,
        storage: Storage { claim: "git-mirror-cache".to_owned(), size: "20Gi".to_owned(), storage_class_name: None },
        service: Service { name: "git-mirror".to_owned(), port: 8080 },
        writers: Writers::default(),
        proxy_egress: None,
        serve: Serve::default_of(NodeKind::Cluster),
    }
}

fn read_mirror(field: &Field<'_>, judge: &Judge<'_>, found: &mut Found) -> Option<ClusterMirror> {
    let mut mirror = default_mirror();
    let mut block = field.block(found)?;
    mirror.image = block.take("image").and_then(|field| image(&field, found));
    if let Some(mut storage) = block.take("storage").and_then(|field| field.block(found)) {
        if let Some(claim) = storage.take("claim").and_then(|field| object_name(&field, found)) {
            mirror.storage.claim = claim;
        }
        if let Some(size) = storage.take("size").and_then(|field| volume_size(&field, found)) {
            mirror.storage.size = size;
        }
        mirror.storage.storage_class_name =
            storage.take("storageClassName").and_then(|field| object_name(&field, found));
        storage.finish(found);
    }
    if let Some(mut service) = block.take("service").and_then(|field| field.block(found)) {
        if let Some(name) = service.take("name").and_then(|field| label_name(&field, found)) {
            mirror.service.name = name;
        }
        if let Some(port) = service.take("port").and_then(|field| field.port(found)) {
            mirror.service.port = port;
        }
        service.finish(found);
    }
    if let Some(mut writers) = block.take("writers").and_then(|field| field.block(found)) {
        let accounts = writers.take("serviceAccounts").map(|field| field.list(found)).unwrap_or_default();
        mirror.writers.service_accounts = accounts.iter().filter_map(|field| service_account(field, found)).collect();
        mirror.writers.token_secret = writers.take("tokenSecret").and_then(|field| object_name(&field, found));
        writers.finish(found);
    }
    if let Some(mut egress) = block.take("proxyEgress").and_then(|field| field.block(found)) {
        let range =
            egress.need("cidr", "`cidr: 172.26.0.1/32`, the proxy's address").and_then(|field| cidr(&field, found));
        let port = egress.need("port", "`port: 10808`, the proxy's port").and_then(|field| field.port(found));
        egress.finish(found);
        mirror.proxy_egress = range.zip(port).map(|(cidr, port)| ProxyEgress { cidr, port });
    }
    if let Some(field) = block.take("serve") {
        mirror.serve = read_serve(&field, judge, "mirror.serve", found)?;
    }
    block.finish(found);
    Some(mirror)
}
