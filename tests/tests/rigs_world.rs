//! The world by itself: the real program finds its configuration, its keys, its upstream and its cache in it.

use mirror_tests::proxy::embedded::ProxyFault;
use mirror_tests::sandbox::KeyKind;
use mirror_tests::world::{ProxyKind, World};
use serde_json::json;

#[test]
fn the_program_syncs_with_an_empty_path() {
    let world = World::builder().proxy(ProxyKind::Embedded).key(KeyKind::EcdsaP256).build();
    let commit = world.upstream().commit("main").file("a.txt", "one\n").make();
    let run = world.mirror(&["sync", "--confirm"]).expect(0);
    assert_eq!(run.lane("main")["lane"], "main");
    assert_eq!(world.cache().branch("main"), Some(commit));
    world.cache().fsck();
    assert_eq!(world.proxy().record().tunnels.len(), 1);
    assert_eq!(world.host().record().connections.len(), 1);
}

#[test]
fn a_changed_configuration_is_used() {
    let mut world = World::builder().build();
    world.mirror(&["config", "check"]).expect(0);
    world.configure(|config| config["nodes"]["local"]["lanes"]["main"]["sauce"] = json!({}));
    let run = world.mirror_as_text(&["config", "check"]).expect(2);
    assert!(run.stderr.contains("sauce") || run.stdout.contains("sauce"), "{run:?}");
}

#[test]
#[should_panic(expected = "stdout")]
fn an_unexpected_exit_status_fails() {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    world.proxy().inject_once(ProxyFault::Refuse(403));
    world.mirror(&["sync", "--confirm"]).expect(0);
}
