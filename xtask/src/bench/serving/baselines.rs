//! What the server is measured against: nginx with a file, and git's own `git-http-backend` behind nginx.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mirror_tests::sandbox::GitSandbox;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::run::Outcome;
use crate::tools::{self, Tool};

/// What has to be installed.
pub(super) const TOOLS: [Tool; 2] =
    [Tool { program: "nginx", package: "nginx-light" }, Tool { program: "fcgiwrap", package: "fcgiwrap" }];
/// How many ports may be taken by others between our choice and nginx's bind.
const ATTEMPTS: u32 = 10;
const START: Duration = Duration::from_secs(10);

/// nginx on a free port of this machine: files below `/file/`, repositories below `/git/`.
pub(super) struct Nginx {
    port: u16,
    nginx: Child,
    wrap: Child,
}

impl Nginx {
    /// Starts it. `projects` holds the repositories, `files` the files.
    ///
    /// As many workers as cores and sendfile for files; the requests of git go to one `fcgiwrap` that forks `workers` of itself.
    pub(super) fn start(sandbox: &GitSandbox, projects: &Path, files: &Path) -> Outcome<Self> {
        let root = sandbox.path().join("nginx");
        std::fs::create_dir_all(&root).map_err(|error| error.to_string())?;
        let socket = root.join("fcgi.sock");
        let mut wrap = sandbox.git().program(program("fcgiwrap")?, &root);
        wrap.args(["-c", "4", "-s"]).arg(format!("unix:{}", socket.display()));
        // It does not end its forks: they are a process group, which is killed as one.
        wrap.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let wrap = wrap.spawn().map_err(|error| error.to_string())?;
        let mut baseline = Self { port: 0, nginx: idle()?, wrap };
        for _ in 0..ATTEMPTS {
            baseline.port = free_port()?;
            let text = settings(&root, baseline.port, &socket, projects, files, &backend()?);
            let config = sandbox.write("nginx.conf", text);
            let mut nginx = Command::new(program("nginx")?);
            nginx.arg("-c").arg(config).arg("-p").arg(&root).stdout(Stdio::null()).stderr(Stdio::null());
            let _ = baseline.nginx.wait();
            baseline.nginx = nginx.spawn().map_err(|error| error.to_string())?;
            if listens(baseline.port, &mut baseline.nginx) {
                return Ok(baseline);
            }
        }
        Err("nginx does not start".to_owned())
    }

    /// The URL of a file.
    pub(super) fn file(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/file/{name}", self.port)
    }

    /// The URL of a repository, by the name of its folder.
    pub(super) fn git(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/git/{name}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = |child: &Child| i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // nginx's master ends its workers on SIGTERM; a kill would leave them.
        if let Some(pid) = pid(&self.nginx) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if let Some(pid) = pid(&self.wrap) {
            let _ = kill_process_group(pid, Signal::TERM);
        }
        let _ = self.nginx.wait();
        let _ = self.wrap.wait();
    }
}

fn settings(root: &Path, port: u16, socket: &Path, projects: &Path, files: &Path, backend: &Path) -> String {
    let (root, socket, backend) = (root.display(), socket.display(), backend.display());
    let (projects, files) = (projects.display(), files.display());
    format!(
        "daemon off;\nuser root;\nworker_processes auto;\npid {root}/pid;\nerror_log /dev/null;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n  keepalive_requests 1000000;\n  client_max_body_size 0;\n  \
         open_file_cache max=64;\n  default_type application/octet-stream;\n  \
         client_body_temp_path {root}/body;\n  fastcgi_temp_path {root}/fastcgi;\n  proxy_temp_path {root}/proxy;\n  \
         uwsgi_temp_path {root}/uwsgi;\n  scgi_temp_path {root}/scgi;\n  \
         server {{\n    listen 127.0.0.1:{port};\n    location /file/ {{ alias {files}/; }}\n    \
         location ~ ^/git(/.*)$ {{\n      fastcgi_pass unix:{socket};\n      fastcgi_buffering off;\n      fastcgi_param SCRIPT_FILENAME {backend};\n      \
         fastcgi_param GIT_PROJECT_ROOT {projects};\n      fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n      fastcgi_param REMOTE_USER ada;\n      \
         fastcgi_param PATH_INFO $1;\n      fastcgi_param QUERY_STRING $query_string;\n      fastcgi_param REQUEST_METHOD $request_method;\n      \
         fastcgi_param CONTENT_TYPE $content_type;\n      fastcgi_param CONTENT_LENGTH $content_length;\n      \
         fastcgi_param GIT_PROTOCOL $http_git_protocol;\n      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n    }}\n  }}\n}}\n"
    )
}

fn program(name: &str) -> Outcome<PathBuf> {
    tools::find(name).ok_or_else(|| format!("{name} is not here"))
}

/// Git's own CGI program.
fn backend() -> Outcome<PathBuf> {
    let folder = crate::run::output(Command::new("git").arg("--exec-path"))?;
    let file = Path::new(folder.trim()).join("git-http-backend");
    if file.is_file() { Ok(file) } else { Err(format!("{} is not here", file.display())) }
}

/// A nginx that is starting.
fn idle() -> Outcome<Child> {
    Command::new("true").spawn().map_err(|error| error.to_string())
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Waits until a port accepts; gives `false` where the program ends before.
fn listens(port: u16, child: &mut Child) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return false;
        }
        std::thread::yield_now();
    }
    false
}
