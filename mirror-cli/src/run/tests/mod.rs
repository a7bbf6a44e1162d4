//! Whole runs of the program in a folder of their own: what stdout and stderr get, and the exit code.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::environment::Stream;

/// A folder to run in.
struct Trial {
    folder: TempDir,
    variables: BTreeMap<String, OsString>,
}

/// What a run came to.
struct Ended {
    code: u8,
    stdout: String,
    stderr: String,
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A configuration of both kinds of node: a local one, and two clusters of the seed.
const CONFIG: &str = "\
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories:
  hwlab:
    upstream: ssh://git@ssh.github.com:443/pikasTech/HWLAB.git
githubTransport:
  mode: ssh
  identity: { secret: git-mirror-ssh, key: id_ed25519 }
nodes:
  local:
    cache: ./mirror-cache
    githubTransport: { mode: ssh, identity: { file: ./absent_key } }
    lanes:
      v03: { repository: hwlab, source: { branch: v0.3, snapshotGroup: app }, gitops: { branch: v0.3-gitops } }
      v02: { repository: hwlab, source: { branch: v0.2, snapshotGroup: app }, gitops: { branch: v0.2-gitops } }
  D601:
    cluster: { context: d601 }
    namespace: devops-infra
    lanes:
      v03: { repository: hwlab, source: { branch: v0.3, snapshotGroup: app }, gitops: { branch: v0.3-gitops } }
  G14:
    cluster: { context: g14 }
    namespace: devops-infra
    lanes:
      v02: { repository: hwlab, source: { branch: v0.2, snapshotGroup: app }, gitops: { branch: v0.2-gitops } }
";

impl Trial {
    fn empty() -> Self {
        // The log is the whole process's, so that it would get into what another test reads. It was perhaps taken away already.
        let _ = tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::default());
        let folder = tempfile::tempdir().unwrap();
        Self { folder, variables: BTreeMap::new() }
    }

    fn with(config: &str) -> Self {
        let trial = Self::empty();
        trial.put("git-mirror.yaml", config.as_bytes());
        trial
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn run(&self, line: &str) -> Ended {
        self.run_on(line, Stream::Other, &mut Vec::new())
    }

    fn run_on(&self, line: &str, stream: Stream, stdout: &mut dyn Captures) -> Ended {
        let environment = Environment {
            arguments: line.split_whitespace().map(OsString::from).collect(),
            variables: self.variables.clone(),
            directory: self.folder.path().to_owned(),
            stdout: stream,
            stderr: Stream::Other,
            clock: || Timestamp::from_second(1_760_000_000).unwrap(),
        };
        let stderr = Heard::default();
        let code = run(&environment, stdout.writer(), Box::new(stderr.clone())).code();
        let tidy = |bytes: &[u8]| {
            let folder = self.folder.path().to_string_lossy().into_owned();
            String::from_utf8_lossy(bytes).replace(&folder, "FOLDER")
        };
        let stderr = tidy(&stderr.0.lock().unwrap());
        Ended { code, stdout: tidy(&stdout.taken()), stderr }
    }

    /// Everything below the folder, to see that nothing changed.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.folder.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(self.folder.path()).unwrap().display().to_string());
                if path.is_dir() {
                    open.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

trait Captures {
    fn writer(&mut self) -> &mut dyn Write;
    fn taken(&self) -> Vec<u8>;
}

impl Captures for Vec<u8> {
    fn writer(&mut self) -> &mut dyn Write {
        self
    }

    fn taken(&self) -> Vec<u8> {
        self.clone()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit {}", self.code)?;
        if !self.stdout.is_empty() {
            write!(f, "-- stdout\n{}", self.stdout)?;
        }
        if !self.stderr.is_empty() {
            write!(f, "-- stderr\n{}", self.stderr)?;
        }
        Ok(())
    }
}

/// Runs each line in the trial and writes them below each other.
fn scroll(trial: &Trial, lines: &[&str]) -> String {
    lines.iter().map(|line| format!("$ {line}\n{}\n", trial.run(line))).collect()
}

#[test]
fn bad_words_are_usage_errors() {
    let trial = Trial::with(CONFIG);
    let before = trial.files();
    let text = scroll(
        &trial,
        &[
            "git-mirror sync --node local --dry-run --confirm",
            "git-mirror sync --node local --wait --timeout 0",
            "git-mirror sync --node local --timeout 5m",
            "git-mirror -q -v status --node local",
            "git-mirror stats",
            "git-mirror status --lanes v03",
            "git-mirror snapshots list --node local --branch v0.4",
            "git-mirror status",
            "git-mirror status --node locla",
            "git-mirror sync --node D6O1",
            "git-mirror status --node local --lane v3,v02",
            "git-mirror lane resolve --node local --lane v03",
            "git-mirror hwlab g14",
        ],
    );
    insta::assert_snapshot!(text);
    assert!(!text.contains("exit 0") && !text.contains("exit 1"));
    assert_eq!(trial.files(), before);
}

#[test]
fn errors_are_one_document_for_programs() {
    let trial = Trial::with(CONFIG);
    for (line, code, name) in [
        ("git-mirror -o json status --node nowhere", 2, "mirror::config::unknown_node"),
        ("git-mirror status --node local -o json --nonsense", 2, "mirror::usage::words"),
        ("git-mirror -ojson", 2, "mirror::usage::words"),
        ("git-mirror --output=json hwlab g14 status", 2, "mirror::usage::hwlab_area"),
        ("git-mirror sync --node local --dry-run --confirm -o json", 2, "mirror::usage::dry_run_and_confirm"),
        ("git-mirror sync --node d601 -o json", 6, "mirror::cli::cluster_not_yet"),
        ("git-mirror apply -o json", 6, "mirror::cli::verb_not_yet"),
        ("git-mirror -f absent.yaml status -o json", 2, "mirror::config::missing"),
    ] {
        let ended = trial.run(line);
        assert_eq!((ended.code, ended.stderr.as_str()), (code, ""), "{line}");
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["schema"], "git-mirror/error/v1", "{line}");
        assert_eq!(document["ok"], false, "{line}");
        assert_eq!(document["error"]["code"], name, "{line}");
        assert!(document["error"]["help"].is_string(), "{line}");
        assert!(document["next"].is_array(), "{line}");
    }
    let yaml = trial.run("git-mirror -o yaml status --node nowhere");
    assert!(yaml.stdout.starts_with("schema: git-mirror/error/v1\n"), "{yaml}");
}

#[test]
fn r5_the_seeds_verbs_on_a_cluster_say_not_yet_and_change_nothing() {
    let trial = Trial::with(CONFIG);
    let before = trial.files();
    for line in [
        "git-mirror hwlab g14 git-mirror status",
        "git-mirror hwlab g14 git-mirror sync --confirm",
        "git-mirror hwlab g14 git-mirror flush --dry-run",
        "git-mirror hwlab g14 git-mirror apply --confirm",
        "hwlab nodes git-mirror sync --node D601 --lane v03 --confirm --wait",
        "hwlab nodes git-mirror flush --node d601 --lane V03 --confirm --wait",
        "hwlab nodes control-plane apply --node D601 --lane v03 --confirm",
        "hwlab nodes control-plane trigger-current --node D601 --lane v03 --confirm --wait",
        "git-mirror control-plane closeout --pr 7 --pipeline-run run-7",
        "git-mirror doctor --node G14",
        "git-mirror history --node G14",
        "git-mirror snapshots prune --node G14 --confirm",
        "git-mirror lane resolve --adopt-upstream --node G14 --lane v02",
    ] {
        let ended = trial.run(line);
        assert_eq!(ended.code, 6, "{line}: {ended}");
        assert!(ended.stderr.contains("nothing was changed"), "{line}: {ended}");
    }
    assert_eq!(trial.files(), before);
    insta::assert_snapshot!(scroll(
        &trial,
        &["hwlab g14 git-mirror status", "hwlab nodes control-plane status --pipeline-run run-7"]
    ));
}

#[test]
fn r26_the_same_words_work_on_a_local_node() {
    let trial = Trial::with(CONFIG);
    let text = scroll(
        &trial,
        &[
            "git-mirror hwlab LOCAL git-mirror status",
            "git-mirror -f git-mirror.yaml status --node Local --lane V02",
            "git-mirror -q status --node local",
            "git-mirror history --node local",
            "git-mirror snapshots list --node local --branch v0.3",
            "git-mirror config check",
        ],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn where_the_configuration_is_looked_for() {
    let mut trial = Trial::empty();
    trial.put("home/.config/git-mirror/git-mirror.yaml", CONFIG.as_bytes());
    trial.put("elsewhere/mine.yaml", CONFIG.as_bytes());
    let home = trial.folder.path().join("home");
    let checked = |trial: &Trial, line: &str| {
        let ended = trial.run(line);
        (ended.code, ended.stdout.lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(checked(&trial, "git-mirror config check").0, 2);
    trial.variables.insert("HOME".to_owned(), home.into());
    let (code, line) = checked(&trial, "git-mirror config check");
    assert_eq!((code, line.contains("home/.config/git-mirror/git-mirror.yaml")), (0, true), "{line}");
    trial.put("git-mirror.yaml", CONFIG.as_bytes());
    assert_eq!(checked(&trial, "git-mirror config check"), (0, "✓ git-mirror.yaml is in order: 4 lanes".to_owned()));
    trial.variables.insert("GIT_MIRROR_CONFIG".to_owned(), "absent.yaml".into());
    assert_eq!(checked(&trial, "git-mirror config check").0, 2);
    assert_eq!(checked(&trial, "git-mirror -f elsewhere/mine.yaml config check").0, 0);
}

#[test]
fn bad_configurations_show_the_place_and_the_repair() {
    let check = |name: &str, bytes: &[u8]| {
        let trial = Trial::empty();
        trial.put("git-mirror.yaml", bytes);
        let ended = trial.run("git-mirror status --node local");
        assert_eq!(ended.code, 2, "{name}: {ended}");
        assert_eq!(ended.stdout, "", "{name}");
        format!("## {name}\n{}\n", ended.stderr)
    };
    let with = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        CONFIG.replacen(from, to, 1)
    };
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";
    let texts = [
        check("misspelt key", with("snapshotGroup: app", "snapshotGruop: app").as_bytes()),
        check("wrong type", with("cache: ./mirror-cache", "cache: [1, 2]").as_bytes()),
        check("duplicate key", with("kind: MirrorConfig\n", "kind: MirrorConfig\nkind: MirrorConfig\n").as_bytes()),
        check("empty file", b""),
        check("binary file", b"\x7fELF\x02\x01\x01\x00\xff\xfe"),
        check("anchors bomb", bomb.as_bytes()),
        check("https upstream", with("ssh://git@ssh.github.com:443/", "https://github.com/").as_bytes()),
        check("upstream without path", with("/pikasTech/HWLAB.git", "").as_bytes()),
        check("upstream with a password", with("git@ssh", "git:SECRET@ssh").as_bytes()),
    ]
    .concat();
    assert!(!texts.contains("SECRET"), "{texts}");
    insta::assert_snapshot!(texts);
}

#[test]
fn a_missing_file_and_a_folder_are_told() {
    let trial = Trial::empty();
    trial.put("folder/x", b"");
    trial.put("long.yaml", &vec![b' '; 1024 * 1024 + 1]);
    insta::assert_snapshot!(scroll(
        &trial,
        &[
            "git-mirror status",
            "git-mirror -f absent.yaml status",
            "git-mirror -f folder status",
            "git-mirror -f long.yaml status"
        ]
    ));
}

#[test]
fn an_scp_like_upstream_is_shown_in_its_canonical_form() {
    let trial = Trial::with(&CONFIG.replacen("ssh://git@ssh.github.com:443/", "git@github.com:", 1));
    let shown = trial.run("git-mirror config show");
    assert!(shown.stdout.contains("upstream: ssh://git@github.com/pikasTech/HWLAB.git"), "{shown}");
}

#[test]
fn init_writes_a_configuration_that_every_verb_reads() {
    let trial = Trial::empty();
    let text = scroll(
        &trial,
        &[
            "git-mirror init https://github.com/octo/app.git",
            "git-mirror init octo/app",
            "git-mirror init git@github.com:octo/app.git --branch main --gitops main",
            "git-mirror init git@github.com:octo/app.git --branch a..b",
            "git-mirror init git@github.com:octo/app.git --proxy 10.0.0.1:3128",
        ],
    );
    assert_eq!(trial.files(), Vec::<String>::new(), "a refused init wrote something");
    for given in ["https://user:SECRET@github.com/octo/app.git", "ssh://git:SECRET@github.com/octo/app.git"] {
        let refused = trial.run(&format!("git-mirror init {given}"));
        assert!(refused.code == 2 && !refused.stderr.contains("SECRET"), "i8: {refused}");
    }
    let written = scroll(
        &trial,
        &[
            "git-mirror init git@github.com:octo/app.git --branch v0.3 --gitops v0.3-gitops --lane v03 --proxy http://10.0.0.1:3128",
            "git-mirror init git@github.com:octo/other.git",
            "git-mirror -f other.yaml init ssh://git@git.example.org/srv/My_Repo.git --agent -o json",
            "git-mirror status",
            "git-mirror -f other.yaml config check",
        ],
    );
    assert_eq!(trial.files(), ["git-mirror.yaml", "other.yaml"]);
    let file = fs::read_to_string(trial.folder.path().join("git-mirror.yaml")).unwrap();
    insta::assert_snapshot!(format!("{text}{written}==== git-mirror.yaml ====\n{file}"));
    let replaced = trial.run("git-mirror init git@github.com:octo/other.git --force");
    assert_eq!(replaced.code, 0, "{replaced}");
}

#[test]
fn a_cache_that_is_not_ours_is_refused_and_left_as_it_is() {
    let check = |name: &str, prepare: &dyn Fn(&Path)| {
        let trial = Trial::with(CONFIG);
        prepare(&trial.folder.path().join("mirror-cache"));
        let before = trial.files();
        let ended = trial.run("git-mirror sync --node local --lane v03 --confirm");
        assert_ne!(ended.code, 0, "{name}: {ended}");
        assert_eq!(trial.files(), before, "{name}");
        format!("## {name}\n{ended}\n")
    };
    let texts = [
        check("the cache folder is a file", &|cache| fs::write(cache, "text").unwrap()),
        check("the repository is a file", &|cache| {
            fs::create_dir(cache).unwrap();
            fs::write(cache.join("hwlab.git"), "text").unwrap();
        }),
        check("the repository is a work tree", &|cache| {
            fs::create_dir_all(cache.join("hwlab.git/.git")).unwrap();
            fs::write(cache.join("hwlab.git/.git/HEAD"), "ref: refs/heads/main\n").unwrap();
        }),
        check("the repository is somebody else's", &|cache| {
            fs::create_dir_all(cache.join("hwlab.git")).unwrap();
            fs::write(cache.join("hwlab.git/notes.txt"), "text").unwrap();
        }),
    ];
    insta::assert_snapshot!(texts.concat());
}

#[test]
fn doctor_stops_at_the_key_with_its_repair() {
    let trial = Trial::with(CONFIG);
    let missing = trial.run("git-mirror doctor --node local --lane v03");
    assert_ne!(missing.code, 0, "{missing}");
    assert!(missing.stdout.contains("absent_key"), "{missing}");
    assert!(missing.stdout.contains("help:"), "{missing}");
    let document: serde_json::Value =
        serde_json::from_str(&trial.run("git-mirror doctor --node local --lane v03 -o json").stdout).unwrap();
    assert_eq!(document["schema"], "git-mirror/doctor/v1");
    assert_eq!(document["lanes"][0]["steps"].as_array().unwrap().last().unwrap()["ok"], false);
}

#[test]
fn pages_and_documents_are_whole() {
    let trial = Trial::with(CONFIG);
    let man = trial.run("git-mirror man");
    assert!(man.code == 0 && man.stdout.contains(".SH GIT\\-MIRROR\\ SYNC\n"), "{man}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = trial.run(&format!("git-mirror completions {shell}"));
        assert!(script.code == 0 && script.stdout.contains("git-mirror"), "{shell}");
        assert!(!script.stdout.contains("control-plane"), "{shell} offers a verb that is not there");
    }
    let schema: serde_json::Value = serde_json::from_str(&trial.run("git-mirror config schema").stdout).unwrap();
    assert!(schema["properties"].is_object());
    let shown: serde_json::Value = serde_json::from_str(&trial.run("git-mirror config show -o json").stdout).unwrap();
    assert_eq!(shown["kind"], "MirrorConfig");
    let status: serde_json::Value =
        serde_json::from_str(&trial.run("git-mirror status --node local -o json").stdout).unwrap();
    assert_eq!(status["schema"], "git-mirror/status/v1");
    assert_eq!(status["lanes"][0]["refSources"]["githubFieldsAreMirrorStageCache"], true);
    for line in ["git-mirror --help", "git-mirror sync --help", "hwlab --help", "git-mirror --version"] {
        let help = trial.run(line);
        assert_eq!((help.code, help.stderr.as_str(), help.stdout.is_empty()), (0, "", false), "{line}");
    }
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let check = |variables: &[(&str, &str)], stream: Stream, painted: bool| {
        let mut trial = Trial::with(CONFIG);
        trial.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
        let ended = trial.run_on("git-mirror status --node local", stream, &mut Vec::new());
        assert_eq!(ended.stdout.contains('\u{1b}'), painted, "{variables:?} {stream:?}");
    };
    let terminal = Stream::Terminal { columns: Some(80) };
    check(&[], terminal, true);
    check(&[], Stream::Other, false);
    check(&[("NO_COLOR", "1")], terminal, false);
    check(&[("TERM", "dumb")], terminal, false);
    check(&[("CLICOLOR", "0")], terminal, false);
    check(&[("CLICOLOR_FORCE", "1")], Stream::Other, true);
    check(&[("CLICOLOR_FORCE", "0")], Stream::Other, false);
    check(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], terminal, false);
}

/// A stdout that takes nothing.
struct Closed(io::ErrorKind);

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captures for Closed {
    fn writer(&mut self) -> &mut dyn Write {
        self
    }

    fn taken(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is() {
    let trial = Trial::with(CONFIG);
    let gone = trial.run_on("git-mirror config show", Stream::Other, &mut Closed(io::ErrorKind::BrokenPipe));
    assert_eq!((gone.code, gone.stderr.as_str()), (0, ""));
    let full = trial.run_on("git-mirror config show", Stream::Other, &mut Closed(io::ErrorKind::StorageFull));
    assert_eq!(full.code, 1);
    assert!(full.stderr.contains("mirror::cli::output"), "{full}");
}

mod server;
