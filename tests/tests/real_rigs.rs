//! The rigs of the real world by themselves: git through tinyproxy to OpenSSH's `sshd`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Output;

use mirror_tests::generate::{History, Shape};
use mirror_tests::sshhost::GitProtocol;
use mirror_tests::world::{HostKind, ProxyKind, World};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn clone_and_push(world: &World) {
    world.upstream().commit("main").file("a.txt", "one\n").make();
    let url = world.url(world.upstream());
    let done = world.git(world.sandbox().path(), ["clone", "--quiet", &url, "work"]).output().unwrap();
    assert!(done.status.success(), "{}", words(&done));
    let work = mirror_tests::sandbox::Repository::at(&world.sandbox().path().join("work"), world.sandbox().git());
    let commit = work.commit("main").file("b.txt", "two\n").make();
    let done = world.git(work.path(), ["push", "--quiet", "origin", "main"]).output().unwrap();
    assert!(done.status.success(), "{}", words(&done));
    assert_eq!(world.upstream().branch("main"), Some(commit));
    world.upstream().fsck();
}

#[test]
fn git_clones_and_pushes_through_tinyproxy_to_sshd() {
    let world = World::builder().real().build();
    clone_and_push(&world);
    let target = world.address().socket().to_string();
    assert_eq!(world.tinyproxy().wait_for_targets(2), [target.clone(), target]);
    assert_eq!(world.openssh().connections(), 2);
}

#[test]
fn git_clones_and_pushes_directly_to_sshd() {
    let world = World::builder().host(HostKind::OpenSsh).build();
    clone_and_push(&world);
    assert!(world.openssh().log().contains("Accepted publickey"), "{}", world.openssh().log());
}

#[test]
fn git_reaches_the_embedded_host_through_tinyproxy() {
    let world = World::builder().proxy(ProxyKind::Tinyproxy).build();
    clone_and_push(&world);
}

#[test]
fn rekeying_follows_its_limit() {
    let world = World::builder().host(HostKind::OpenSsh).sshd("RekeyLimit 16K").sshd("LogLevel DEBUG1").build();
    let shape = Shape { assets: 1, asset_bytes: 300_000..300_001, ..Shape::small(1) };
    History::new(shape).write(world.upstream(), "main", 1);
    clone_and_push(&world);
    // Two connections exchange keys once each in any case.
    let exchanges = world.openssh().log().matches("SSH2_MSG_NEWKEYS sent").count();
    assert!(exchanges > 4, "{}", world.openssh().log());
}

#[test]
fn an_sshd_that_drops_the_protocol_speaks_version_0() {
    let advertised = |protocol: GitProtocol| {
        let world = World::builder().host(HostKind::OpenSsh).protocol(protocol).build();
        world.upstream().commit("main").file("a.txt", "one\n").make();
        let url = world.url(world.upstream());
        let mut command = world.git(world.sandbox().path(), ["-c", "protocol.version=2", "ls-remote", &url]);
        let done = command.env("GIT_TRACE_PACKET", "1").output().unwrap();
        assert!(done.status.success(), "{}", words(&done));
        words(&done)
    };
    assert!(advertised(GitProtocol::Accepted).contains("< version 2"));
    assert!(!advertised(GitProtocol::Dropped).contains("< version 2"));
}
