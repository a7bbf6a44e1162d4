//! From a configuration to the shape of its file, with every default written out.

use super::{
    AgentForm, ArgoForm, ClusterForm, ConfigForm, ContextForm, DurationForm, EgressForm, FileForm, FreeSpaceForm,
    GithubForm, GitopsForm, IdentityForm, KeyFileForm, KnownHostsForm, LaneForm, LimitsForm, LocalForm, LocalLaneForm,
    MirrorForm, NodeForm, PackCacheForm, PipelineForm, RepositoryForm, RetentionForm, ScheduleForm, SecretForm,
    SecretSourceForm, ServeForm, ServiceForm, SizeForm, SnapshotsForm, SourceForm, StorageForm, TimeoutsForm, TlsForm,
    TransportForm, WritersForm,
};
use crate::config::duration::duration_text;
use crate::config::size::ByteSize;
use crate::config::types::{
    Argo, ClusterMirror, FlushOnPush, Identity, KnownHosts, Lane, MirrorConfig, Node, NodeSettings, Pipeline,
    Repository, SecretSource, Serve, Transport,
};
use crate::config::{API_VERSION, KIND};

impl From<&MirrorConfig> for ConfigForm {
    fn from(config: &MirrorConfig) -> Self {
        let retention = &config.snapshots.retention;
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            snapshots: SnapshotsForm {
                prefix: Some(config.snapshots.prefix.clone()),
                retention: Some(RetentionForm {
                    keep_at_least: Some(retention.keep_at_least),
                    keep_for: Some(duration(retention.keep_for)),
                }),
            },
            repositories: config.repositories.iter().map(|(name, one)| (name.clone(), one.into())).collect(),
            github_transport: None,
            nodes: config.nodes.iter().map(|(name, node)| (name.clone(), node.into())).collect(),
        }
    }
}

impl From<&Repository> for RepositoryForm {
    fn from(repository: &Repository) -> Self {
        Self {
            upstream: repository.upstream.to_string(),
            tags: repository.tags.clone(),
            branches: repository.branches.clone(),
        }
    }
}

impl From<&Node> for NodeForm {
    fn from(node: &Node) -> Self {
        let github_transport = Some((&node.transport).into());
        match &node.settings {
            NodeSettings::Local(settings) => Self::Local(Box::new(LocalForm {
                cache: settings.cache.clone(),
                github_transport,
                serve: settings.serve.as_deref().map(Into::into),
                lanes: node.lanes_in_order().into_iter().map(|lane| (lane.name.clone(), lane.into())).collect(),
            })),
            NodeSettings::Cluster(settings) => Self::Cluster(Box::new(ClusterForm {
                cluster: ContextForm { context: settings.context.clone() },
                namespace: settings.namespace.clone(),
                mirror: Some((&settings.mirror).into()),
                github_transport,
                lanes: node.lanes_in_order().into_iter().map(|lane| (lane.name.clone(), lane.into())).collect(),
            })),
        }
    }
}

impl From<&Transport> for TransportForm {
    fn from(transport: &Transport) -> Self {
        let timeouts = &transport.timeouts;
        Self {
            mode: Some("ssh".to_owned()),
            proxy: Some(transport.proxy.as_ref().map_or_else(|| "direct".to_owned(), ToString::to_string)),
            proxy_credentials: transport.proxy_credentials.as_ref().map(Into::into),
            identity: Some(match transport.identity.clone() {
                Identity::File { path, passphrase_file } => {
                    IdentityForm::File(KeyFileForm { file: path, passphrase_file })
                }
                Identity::Agent => IdentityForm::Agent(AgentForm { agent: true }),
                Identity::Secret { secret, key } => IdentityForm::Secret(SecretForm { secret, key }),
            }),
            known_hosts: Some(match transport.known_hosts.clone() {
                KnownHosts::Github => KnownHostsForm::Github(GithubForm::Github),
                KnownHosts::File(file) => KnownHostsForm::Source(SecretSourceForm::File(FileForm { file })),
                KnownHosts::Secret { secret, key } => {
                    KnownHostsForm::Source(SecretSourceForm::Secret(SecretForm { secret, key }))
                }
            }),
            timeouts: Some(TimeoutsForm {
                connect: Some(duration(timeouts.connect)),
                idle: Some(duration(timeouts.idle)),
                total: Some(duration(timeouts.total)),
            }),
        }
    }
}

impl From<&SecretSource> for SecretSourceForm {
    fn from(source: &SecretSource) -> Self {
        match source.clone() {
            SecretSource::File(file) => Self::File(FileForm { file }),
            SecretSource::Secret { secret, key } => Self::Secret(SecretForm { secret, key }),
        }
    }
}

impl From<&ClusterMirror> for MirrorForm {
    fn from(mirror: &ClusterMirror) -> Self {
        let storage = mirror.storage.clone();
        Self {
            image: mirror.image.clone(),
            storage: Some(StorageForm {
                claim: Some(storage.claim),
                size: Some(storage.size),
                storage_class_name: storage.storage_class_name,
            }),
            service: Some(ServiceForm { name: Some(mirror.service.name.clone()), port: Some(mirror.service.port) }),
            writers: Some(WritersForm {
                service_accounts: mirror.writers.service_accounts.clone(),
                token_secret: mirror.writers.token_secret.clone(),
            }),
            proxy_egress: mirror
                .proxy_egress
                .as_ref()
                .map(|egress| EgressForm { cidr: egress.cidr.clone(), port: egress.port }),
            serve: Some((&mirror.serve).into()),
        }
    }
}

impl From<&Serve> for ServeForm {
    fn from(serve: &Serve) -> Self {
        let size = |size: ByteSize| Some(SizeForm(size.to_string()));
        let maintain = serve.schedule.maintain_every.map_or_else(|| "never".to_owned(), duration_text);
        Self {
            listen: Some(serve.listen.to_string()),
            tls: serve.tls.as_ref().map(|tls| TlsForm { certificate: tls.certificate.clone(), key: tls.key.clone() }),
            // Who may read is for people to say, where it has to be said.
            readers: serve.readers_said.then_some(serve.readers),
            tokens: serve.tokens.as_ref().map(Into::into),
            insecure_tokens: Some(serve.insecure_tokens),
            pack_cache: Some(PackCacheForm { size: size(serve.pack_cache) }),
            limits: Some(LimitsForm {
                packs: Some(serve.limits.packs),
                queue: Some(serve.limits.queue),
                body: size(serve.limits.body),
            }),
            schedule: Some(ScheduleForm {
                sync_every: serve.schedule.sync_every.map(duration),
                flush_on_push: Some(serve.schedule.flush_on_push == FlushOnPush::Yes),
                maintain_every: Some(maintain),
            }),
            free_space: Some(FreeSpaceForm {
                stop: size(serve.free_space.stop),
                resume: size(serve.free_space.resume),
            }),
        }
    }
}

impl From<&Lane> for LocalLaneForm {
    fn from(lane: &Lane) -> Self {
        Self {
            repository: lane.repository.clone(),
            source: SourceForm {
                branch: lane.source.branch.clone(),
                snapshot_group: lane.source.snapshot_group.clone(),
            },
            gitops: lane.gitops.clone().map(|branch| GitopsForm { branch }),
        }
    }
}

impl From<&Lane> for LaneForm {
    fn from(lane: &Lane) -> Self {
        let LocalLaneForm { repository, source, gitops } = lane.into();
        Self {
            repository,
            source,
            gitops,
            manifests: lane.manifests.clone(),
            pipeline: lane.pipeline.as_ref().map(Into::into),
            argo: lane.argo.as_ref().map(Into::into),
        }
    }
}

impl From<&Pipeline> for PipelineForm {
    fn from(pipeline: &Pipeline) -> Self {
        let pipeline = pipeline.clone();
        Self {
            namespace: pipeline.namespace,
            name: pipeline.name,
            service_account_name: pipeline.service_account_name,
            timeout: Some(duration(pipeline.timeout)),
            params: pipeline.params,
            commit_param: Some(pipeline.commit_param),
            snapshot_param: Some(pipeline.snapshot_param),
            repository_param: Some(pipeline.repository_param),
            gitops_commit_result: Some(pipeline.gitops_commit_result),
        }
    }
}

impl From<&Argo> for ArgoForm {
    fn from(argo: &Argo) -> Self {
        Self { namespace: argo.namespace.clone(), application: argo.application.clone(), path: argo.path.clone() }
    }
}

fn duration(duration: std::time::Duration) -> DurationForm {
    DurationForm(duration_text(duration))
}
