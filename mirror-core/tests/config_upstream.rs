//! The two addresses of a configuration, form by form.

use mirror_core::config::{ProxyUrl, UpstreamUrl};

fn check(text: &str, expect: Result<&str, &str>) {
    let read = UpstreamUrl::parse(text);
    let shown = read.as_ref().map(ToString::to_string).map_err(ToString::to_string);
    assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{text}");
    if let Ok(url) = read {
        assert_eq!(UpstreamUrl::parse(&url.to_string()), Ok(url), "{text} is canonical once written");
    }
}

#[test]
fn addresses_over_ssh() {
    check("ssh://git@ssh.github.com:443/pikasTech/HWLAB.git", Ok("ssh://git@ssh.github.com:443/pikasTech/HWLAB.git"));
    check("ssh://github.com/o/r.git", Ok("ssh://git@github.com/o/r.git"));
    check("SSH://me@GitHub.com:22/o/r/", Ok("ssh://me@github.com/o/r"));
    check("git+ssh://git@host/r", Ok("ssh://git@host/r"));
    check("ssh://git@[2001:db8::1]:2222/r", Ok("ssh://git@[2001:db8::1]:2222/r"));
    check("ssh://git@127.0.0.1:2222/srv/git/a b.git", Ok("ssh://git@127.0.0.1:2222/srv/git/a b.git"));
    check("ssh://host/~me/r.git", Ok("ssh://git@host/~me/r.git"));
}

#[test]
fn the_short_form_of_scp() {
    check("git@github.com:pikasTech/HWLAB.git", Ok("ssh://git@github.com/pikasTech/HWLAB.git"));
    check("github.com:o/r.git", Ok("ssh://git@github.com/o/r.git"));
    check("git@host:/srv/git/r.git", Ok("ssh://git@host/srv/git/r.git"));
    check("git@[::1]:r.git", Ok("ssh://git@[::1]/r.git"));
    check("git@host:~me/r.git", Ok("ssh://git@host/~me/r.git"));
    check("[::1]:r.git", Ok("ssh://git@[::1]/r.git"));
}

#[test]
fn the_path_is_what_the_server_is_asked_for() {
    let path = |text: &str| UpstreamUrl::parse(text).unwrap().path().to_owned();
    assert_eq!(path("ssh://host/o/r.git"), "/o/r.git");
    assert_eq!(path("ssh://host/~me/r.git"), "~me/r.git");
    assert_eq!(path("host:o/r.git"), "/o/r.git");
}

#[test]
fn https_is_refused_with_the_same_repository_over_ssh() {
    let instead = |text: &str| {
        let error = UpstreamUrl::parse(text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("SSH is the only transport") && shown.contains("R12"), "{shown}");
        miette::Diagnostic::help(&error).unwrap().to_string()
    };
    let help = "write `ssh://git@ssh.github.com:443/pikasTech/HWLAB.git`, and set githubTransport.identity";
    assert_eq!(instead("https://github.com/pikasTech/HWLAB.git"), help);
    assert_eq!(instead("HTTPS://user:secret@GitHub.com/pikasTech/HWLAB.git"), help);
    assert_eq!(
        instead("http://git.example:8443/o/r.git"),
        "write `ssh://git@git.example/o/r.git`, and set githubTransport.identity"
    );
}

#[test]
fn what_is_no_address() {
    check("", Err("this is neither `ssh://USER@HOST:PORT/PATH` nor `USER@HOST:PATH`"));
    check("./repository.git", Err("this is neither `ssh://USER@HOST:PORT/PATH` nor `USER@HOST:PATH`"));
    check("/srv/git:x/r.git", Err("this is neither `ssh://USER@HOST:PORT/PATH` nor `USER@HOST:PATH`"));
    check("git://host/r", Err("`git://` is not a way to reach an upstream"));
    check("file:///srv/r.git", Err("`file://` is not a way to reach an upstream"));
    check("ext::sh -c x", Err("this is neither `ssh://USER@HOST:PORT/PATH` nor `USER@HOST:PATH`"));
    check("ssh://host", Err("the address has no path"));
    check("ssh://git@host:22/", Err("the address has no path"));
    check("git@host:", Err("the address has no path"));
    check("ssh://git@host:0/r", Err("the port is not a number from 1 to 65535"));
    check("ssh://git@host:65536/r", Err("the port is not a number from 1 to 65535"));
    check("ssh://git@host:+22/r", Err("the port is not a number from 1 to 65535"));
    check("ssh://git@host:/r", Err("the port is not a number from 1 to 65535"));
    check("ssh://git@host:o/r", Err("the port is not a number from 1 to 65535"));
    check("ssh:///r", Err("the host is empty"));
    check("ssh://-oProxyCommand=x/r", Err("the host begins with `-`"));
    check("-oProxyCommand=x:r", Err("the host begins with `-`"));
    check("ssh://git@-host/r", Err("the host begins with `-`"));
    check(
        "ssh://-l@host/r",
        Err("the user may only have letters, digits, `.`, `_` and `-`, and does not begin with `-`"),
    );
    check(
        "ssh://@host/r",
        Err("the user may only have letters, digits, `.`, `_` and `-`, and does not begin with `-`"),
    );
    check("ssh://git@ho st/r", Err("the host has the character ' ', which no host has"));
    check("ssh://git@höst/r", Err("the host has the character 'ö', which no host has"));
    check("ssh://git@[::1/r", Err("the host has brackets without an IPv6 address in them"));
    check("ssh://git@[host]/r", Err("the host has brackets without an IPv6 address in them"));
    check("ssh://git@[::1]22/r", Err("the host has brackets without an IPv6 address in them"));
    check("ssh://host/a%2fb", Err("the path has a percent escape in it"));
    check("ssh://host/r?x=1", Err("the path has a query or fragment in it"));
    check("ssh://host/r\n", Err("the path has a control character in it"));
}

#[test]
fn i8_a_password_is_refused_and_never_repeated() {
    for text in [
        "ssh://git:hunter2@host/r",
        "git:hunter2@host:r",
        "ssh://hunter2:@host/r",
        "ssh://a:b@hunter2@host/r",
        "a:hunter2@host/r",
    ] {
        let error = UpstreamUrl::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "the address has a password in it", "{text}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let error = ProxyUrl::parse("http://me:hunter2@proxy:3128").unwrap_err();
    assert_eq!(error.to_string(), "the address has a user or password in it");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn proxies() {
    let check = |text: &str, expect: Result<&str, &str>| {
        let shown = ProxyUrl::parse(text).map(|url| url.to_string()).map_err(|error| error.to_string());
        assert_eq!(shown.as_deref().map_err(String::as_str), expect, "{text}");
    };
    check("http://172.26.0.1:10808", Ok("http://172.26.0.1:10808"));
    check("http://Proxy.example:3128/", Ok("http://proxy.example:3128"));
    check("http://[::1]:3128", Ok("http://[::1]:3128"));
    check("http://proxy", Err("the address has no port"));
    check("http://proxy:0", Err("the port is not a number from 1 to 65535"));
    check("http://proxy:3128/x", Err("the address has something behind the port"));
    check("http://:3128", Err("the host is empty"));
    check("http://-x:3128", Err("the host begins with `-`"));
    check("https://proxy:3128", Err("a proxy is a CONNECT proxy, spoken to over plain HTTP"));
    check("socks5://proxy:1080", Err("a proxy is a CONNECT proxy, spoken to over plain HTTP"));
    check("proxy:3128", Err("a proxy is a CONNECT proxy, spoken to over plain HTTP"));
}
