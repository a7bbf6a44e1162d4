//! The size of a push against git's own, for a flush of many commits on top of a long history.

use mirror_git::pack::make::{DeltaForm, PackPlan};

use crate::git::{Import, Repository, Sandbox, object};

/// A repository of `commits` commits that change one file each, then 100 that change 20 files each; its base is `refs/heads/base`.
pub(crate) fn generated(sandbox: &Sandbox, commits: u32) -> Repository {
    let repository = sandbox.bare("generated");
    let path = |n: u32| format!("apps/team-{}/service-{}/values.yaml", n % 7, n);
    let mut versions = [0u32; 200];
    let content = |file: u32, version: u32| -> String {
        (0..60)
            .map(|line| {
                let changed = if (file + line) % 60 == version % 60 { version } else { 0 };
                let noise = (file * 60 + line).wrapping_mul(2_654_435_761).wrapping_add(changed.wrapping_mul(40_503));
                format!(
                    "  setting-{line}: {{ image: registry.example/app-{file}, digest: {noise:08x}, replicas: {} }}\n",
                    noise % 9
                )
            })
            .collect()
    };
    let mut import = Import::new();
    let mut change = |import: &mut Import, files: Vec<u32>| {
        let contents: Vec<_> = files
            .into_iter()
            .map(|file| {
                versions[file as usize] += 1;
                (path(file), content(file, versions[file as usize]))
            })
            .collect();
        let files: Vec<_> = contents.iter().map(|(path, content)| (path.as_str(), Some(content.as_str()))).collect();
        import.commit("refs/heads/main", None, &files);
    };
    change(&mut import, (0..200).collect());
    for n in 1..commits {
        change(&mut import, vec![n.wrapping_mul(7919) % 200]);
    }
    import.branch("refs/heads/base", "refs/heads/main");
    for n in 0..100 {
        change(&mut import, (0..20).map(|k| (n * 13 + k * 11) % 200).collect());
    }
    repository.import(import);
    repository
}

#[test]
fn a_flush_of_many_commits_sends_no_more_than_half_again_of_what_git_sends() {
    let sandbox = Sandbox::new();
    let from = generated(&sandbox, 600);
    let revisions = b"refs/heads/main\n^refs/heads/base\n";
    let theirs =
        from.git_with(&["pack-objects", "--thin", "--stdout", "--revs", "--delta-base-offset", "-q"], revisions);
    let tip = |name| object(from.tip(name).unwrap());
    let store = from.objects();
    let mut ours = Vec::new();
    let plan = PackPlan::new(&store, &[tip("refs/heads/main")], &[tip("refs/heads/base")]).unwrap();
    let figures = plan.write(&store, DeltaForm::OfsDelta, &mut ours, &mut |_| {}).unwrap();
    let objects = u32::from_be_bytes(*theirs[8..].first_chunk().unwrap());
    assert_eq!(figures.objects, u64::from(objects), "the same objects as git's");
    let ratio = ours.len() as f64 / theirs.len() as f64;
    assert!(ratio <= 1.5, "{ratio:.2}: ours {} bytes, git's {} bytes, {figures:?}", ours.len(), theirs.len());
}
