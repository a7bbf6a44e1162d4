//! Compares the name types with git itself, over thousands of names, most of them nasty.

use std::process::{Command, Stdio};
use std::thread;

use mirror_core::name::{BranchName, GroupName, RefName, TagPattern};

/// What names are put together from: harmless parts, everything that a rule is about, and what only looks like it.
const PIECES: [&str; 58] = [
    "a",
    "B",
    "7",
    "main",
    "refs",
    "heads",
    "tags",
    "HEAD",
    "head",
    "@",
    "@{",
    "{",
    "}",
    ".",
    "..",
    "...",
    ".lock",
    "lock",
    "x.lock",
    ".LOCK",
    ".git",
    "-",
    "--",
    "~",
    "^",
    ":",
    "?",
    "*",
    "[",
    "]",
    "\\",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{1}",
    "\u{1f}",
    "\u{7f}",
    "/",
    "//",
    "é",
    "日本",
    "🚀",
    "\u{200b}",
    "\u{85}",
    "%",
    "$",
    "!",
    "'",
    "\"",
    "`",
    "|",
    "&",
    ";",
    "<",
    ">",
    "#",
    "9fceb02d0ae598e95dc970b74767f19372d61af8",
];

/// A small generator, so that the names are the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("because the bound is a usize")
    }
}

fn names() -> Vec<String> {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(SEED);
    let mut names = vec![String::new(), "a/".repeat(300) + "a", "x".repeat(1000)];
    for piece in PIECES {
        names.push(piece.to_owned());
        for affix in ["a", "/", ".", "-", "@", ".lock"] {
            names.push(format!("{piece}{affix}"));
            names.push(format!("{affix}{piece}"));
            names.push(format!("a{affix}{piece}b"));
        }
    }
    for _ in 0..700 {
        let length = 2 + random.below(5);
        names.push((0..length).map(|_| PIECES[random.below(PIECES.len())]).collect());
    }
    names
}

/// What git says of one name, in each of the forms that matter.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    full: bool,
    plain: bool,
    branch: bool,
    group: bool,
    pattern: bool,
}

fn by_git(name: &str) -> Verdict {
    let accepts = |arguments: &[&str]| {
        Command::new("git")
            .arg("check-ref-format")
            .args(arguments)
            // Outside a repository, so that `@` is not resolved.
            .current_dir("/")
            .env_remove("GIT_DIR")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("because git is on the PATH wherever these tests run")
            .success()
    };
    Verdict {
        full: accepts(&[&format!("refs/heads/{name}")]),
        plain: name.starts_with("refs/") && accepts(&[name]),
        branch: accepts(&["--branch", name]),
        group: !name.contains('/') && !name.starts_with('-') && accepts(&[&format!("refs/x/{name}/y")]),
        pattern: !name.starts_with('-') && accepts(&["--refspec-pattern", &format!("refs/tags/{name}")]),
    }
}

fn by_us(name: &str) -> Verdict {
    Verdict {
        full: RefName::parse(&format!("refs/heads/{name}")).is_ok(),
        plain: RefName::parse(name).is_ok(),
        branch: BranchName::parse(name).is_ok(),
        group: GroupName::parse(name).is_ok(),
        pattern: TagPattern::parse(name).is_ok(),
    }
}

#[test]
fn names_are_judged_as_git_judges_them() {
    let names = names();
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let share = names.len().div_ceil(workers);
    let verdicts: Vec<Verdict> = thread::scope(|scope| {
        let running: Vec<_> = names
            .chunks(share)
            .map(|names| scope.spawn(|| names.iter().map(|name| by_git(name)).collect::<Vec<_>>()))
            .collect();
        running.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let accepted = verdicts.iter().filter(|verdict| verdict.branch).count();
    assert!(
        accepted > 200 && accepted < names.len() / 2,
        "the names are no test: git takes {accepted} of {}",
        names.len()
    );
    for (name, verdict) in names.iter().zip(verdicts) {
        assert_eq!(by_us(name), verdict, "{name:?}: left is this crate, right is git");
    }
}

#[test]
fn a_nul_byte_is_refused_where_git_cannot_be_asked() {
    for name in ["a\0b", "\0", "a/\0"] {
        assert_eq!(by_us(name), Verdict { full: false, plain: false, branch: false, group: false, pattern: false });
    }
}
