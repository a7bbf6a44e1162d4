//! `git-mirror`: takes in the process's surroundings and leaves with the exit code.

use std::io::Write;
use std::process::ExitCode;

use mirror_cli::environment::Environment;

fn main() -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let stderr = Box::new(std::io::stderr());
    let code = match Environment::of_process() {
        Ok(environment) => mirror_cli::run(&environment, &mut stdout, stderr).code(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the working folder is not there: {error}");
            1
        }
    };
    ExitCode::from(code)
}
