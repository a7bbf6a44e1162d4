//! Every pack is one that git takes, in a repository that has the boundary and nothing else.

use mirror_core::name::CommitId;
use mirror_git::pack::make::{DeltaForm, PackFigures, PackPlan};
use proptest::prelude::*;

use crate::git::{Import, Repository, Sandbox, object};

/// Makes the pack that brings `tips` to where `boundaries` are, checks it with git in a copy that has only these, and gives it.
fn check(
    sandbox: &Sandbox,
    from: &Repository,
    tips: &[CommitId],
    boundaries: &[(&str, CommitId)],
) -> (Vec<u8>, PackFigures) {
    let tips: Vec<_> = tips.iter().map(|id| object(*id)).collect();
    let edge: Vec<_> = boundaries.iter().map(|(_, id)| object(*id)).collect();
    let mut made = None;
    for (form, name) in [(DeltaForm::OfsDelta, "by-offset"), (DeltaForm::RefDelta, "by-id")] {
        let mut pack = Vec::new();
        let store = from.objects();
        let plan = PackPlan::new(&store, &tips, &edge).unwrap();
        let mut counted = 0;
        let figures = plan.write(&store, form, &mut pack, &mut |count| counted = count).unwrap();
        assert_eq!(
            (figures.bytes, figures.objects, counted),
            (pack.len() as u64, plan.objects() as u64, figures.objects)
        );
        let receiver = sandbox.copy(from, name, &boundaries.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        receiver.git_with(&["index-pack", "--stdin", "--fix-thin", "--strict"], &pack);
        for tip in &tips {
            receiver.git(&["update-ref", &format!("refs/tips/{tip}"), &tip.to_string()]);
        }
        receiver.fsck();
        std::fs::remove_dir_all(&receiver.path).unwrap();
        made.get_or_insert((pack, figures));
    }
    made.unwrap()
}

#[test]
fn git_takes_a_whole_history() {
    let sandbox = Sandbox::new();
    let from = sandbox.bare("from");
    let text = |n: usize| {
        (0..200).map(|line| format!("line {line} {}\n", if line == n { "changed" } else { "" })).collect::<String>()
    };
    let mut import = Import::new();
    for n in 0..120 {
        import.commit("refs/heads/main", None, &[("a/b/file", Some(&text(n))), ("other", Some(&text(n / 2)))]);
    }
    from.import(import);
    let tip = from.tip("refs/heads/main").unwrap();
    let (pack, figures) = check(&sandbox, &from, &[tip], &[]);
    assert!(figures.deltas > 250, "{figures:?} in {} bytes", pack.len());
}

#[test]
fn git_takes_what_lies_on_top_of_a_boundary_with_merges_moves_and_tags() {
    let sandbox = Sandbox::new();
    let from = sandbox.bare("from");
    let long: String = (0..500).map(|n| format!("{n} bottles\n")).collect();
    let base =
        from.commit("refs/heads/main", &[("x", Some(&long)), ("d/y", Some("y\n")), ("d/e/z", Some(&long[10..]))]);
    from.git(&["update-ref", "refs/heads/base", &base.to_string()]);
    from.commit("refs/heads/main", &[("x", None), ("moved/x", Some(&long)), ("d/y", Some("changed\n"))]);
    from.git(&["update-ref", "refs/heads/side", &base.to_string()]);
    let side = from.commit("refs/heads/side", &[("d/e/z", Some(&long[20..])), ("binary", Some("\0\0\0\0"))]);
    let main = from.tip("refs/heads/main").unwrap();
    let tree = from.git(&["rev-parse", "refs/heads/main^{tree}"]);
    let merge = from.git(&["commit-tree", &tree, "-p", &main.to_string(), "-p", &side.to_string(), "-m", "merge"]);
    from.git(&["tag", "-a", "-m", "first", "v1", &merge]);
    let tag = from.tip("refs/tags/v1").unwrap();
    let merge = CommitId::from_hex(&merge).unwrap();
    check(&sandbox, &from, &[merge], &[("refs/heads/base", base)]);
    check(&sandbox, &from, &[tag], &[("refs/heads/base", base)]);
    check(&sandbox, &from, &[merge], &[("refs/heads/base", base), ("refs/heads/side", side)]);
    let (_, none) = check(&sandbox, &from, &[main], &[("refs/heads/main", main)]);
    assert_eq!(none.objects, 0);
}

#[test]
fn a_blob_too_large_for_a_delta_is_sent_whole_and_is_no_base() {
    let sandbox = Sandbox::new();
    let from = sandbox.bare("from");
    let base = from.commit("refs/heads/main", &[("f", Some("small\n"))]);
    from.git(&["update-ref", "refs/heads/base", &base.to_string()]);
    from.commit("refs/heads/main", &[("f", Some(&"0123456789abcdef".repeat((65 << 20) / 16)))]);
    let tip = from.commit("refs/heads/main", &[("f", Some(&"0123456789abcdef".repeat(100)))]);
    let (_, figures) = check(&sandbox, &from, &[tip], &[("refs/heads/base", base)]);
    assert_eq!(figures.objects, 6);
}

/// One path, and which line of its long text differs and how; or that the file goes.
type Change = (usize, Option<(usize, u8)>);

/// The changes of some commits, on files at a few paths.
fn history() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = (0usize..6, proptest::option::weighted(0.8, (0usize..2000, any::<u8>())));
    proptest::collection::vec(proptest::collection::vec(change, 1..5), 2..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn git_takes_the_packs_of_arbitrary_histories(history in history(), border in any::<prop::sample::Index>()) {
        let sandbox = Sandbox::new();
        let from = sandbox.bare("from");
        let paths = ["a", "b", "d/a", "d/b", "d/e/a", "f/a"];
        let border = border.index(history.len());
        let mut import = Import::new();
        for (at, changes) in history.iter().enumerate() {
            let contents: Vec<_> = changes
                .iter()
                .map(|(path, change)| {
                    let content = change.map(|(line, byte)| {
                        (0..300).map(|n| if n == line { format!("{byte} here\n") } else { format!("line {n}\n") }).collect::<String>()
                    });
                    (paths[*path], content)
                })
                .collect();
            let files: Vec<_> = contents.iter().map(|(path, content)| (*path, content.as_deref())).collect();
            import.commit("refs/heads/main", None, &files);
            if at == border {
                import.branch("refs/heads/base", "refs/heads/main");
            }
        }
        from.import(import);
        let tip = from.tip("refs/heads/main").unwrap();
        let base = from.tip("refs/heads/base").unwrap();
        check(&sandbox, &from, &[tip], &[("refs/heads/base", base)]);
    }
}
