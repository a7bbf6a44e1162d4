use jiff::Timestamp;
use mirror_core::name::RepositoryName;
use mirror_engine::verbs;

use super::render::{Repository, View, render};
use crate::schedule::Activity;
use crate::testing::{self, MAIN};
use mirror_core::operation::Verb;

fn with_page<T>(clone_url: &str, look: impl FnOnce(&str) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let node = testing::node(folder.path(), "", &[MAIN]);
    let report = verbs::status(&node, &node.lanes::<&str>(&[]).expect("lanes"));
    let name = RepositoryName::parse("app").expect("a name");
    let repository =
        Repository { name: &name, clone_url: clone_url.to_owned(), doing: Some(Activity::Running(Verb::Sync)) };
    let page = render(&View {
        report: &report,
        repositories: &[repository],
        stuck: &[],
        free: Some(3 << 30),
        low: true,
        now: Timestamp::UNIX_EPOCH,
    });
    look(&page)
}

#[test]
fn the_page_says_what_a_person_wants_to_know() {
    with_page("http://mirror:8080/app.git", |page| {
        for part in [
            "<title>here – git-mirror</title>",
            "The lane is not as wanted.",
            "git clone http://mirror:8080/app.git",
            "out of sync",
            "git-mirror sync --node here --lane main --confirm --wait",
            "Too little disk is free",
            "3.0 GiB of disk free",
            "The schedule is running a sync.",
            "1970-01-01 00:00:00 UTC",
            "lang=\"en\"",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    });
}

#[test]
fn the_page_runs_no_script_and_asks_nobody() {
    with_page("http://\"><script>alert(1)</script>/app.git", |page| {
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("git clone http://&quot;&gt;&lt;script&gt;"), "{page}");
        for outside in ["src=", "@import", "url(", "href=\"http", "href=\"//", "onload", "onclick"] {
            assert!(!page.contains(outside), "{outside} is in\n{page}");
        }
    });
}

/// Every element that is opened is closed, in order.
#[test]
fn the_page_is_well_formed() {
    with_page("http://mirror/app.git", |page| {
        let mut open: Vec<&str> = Vec::new();
        let body = page
            .replace(&page[page.find("<style>").expect("a style")..page.find("</style>").expect("its end")], "<style>");
        for tag in body.split('<').skip(1) {
            let tag = tag.split('>').next().expect("a tag");
            let name = tag.split(' ').next().expect("a name");
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if ["!doctype", "meta", "br"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    });
}
