//! Upstream of the demo: this repository's own history.

use mirror_tests::sandbox::{GitSandbox, Repository};

use crate::run::root;

/// This repository's history as a bare upstream with the branches `main` and `gitops`. A checkout without a complete history of its
/// own (an archive, a shallow clone) gives its files as one commit instead.
pub(super) fn own_history(sandbox: &GitSandbox) -> Repository {
    let git = sandbox.git();
    let output_of = |words: [&str; 2]| {
        let answer = git.ask(&root(), words);
        answer.status.success().then(|| answer.text().trim().to_owned())
    };
    let complete = output_of(["rev-parse", "--is-shallow-repository"]).as_deref() == Some("false");
    let upstream = match output_of(["rev-parse", "HEAD"]).filter(|_| complete) {
        Some(head) => {
            let upstream = sandbox.bare_clone(&root(), "upstream");
            upstream.run(["update-ref", "refs/heads/main", &head]);
            upstream
        }
        None => {
            let upstream = sandbox.bare("upstream");
            let readme = std::fs::read(root().join("README.md")).unwrap_or_default();
            upstream.commit("main").file("README.md", readme).message("The state of this checkout\n").make();
            upstream
        }
    };
    upstream.commit("gitops").root().file("deployed", "nothing yet\n").message("Begin the GitOps branch\n").make();
    upstream
}
