//! `config check`, `config show` and `config schema`.

use mirror_core::config;
use mirror_core::report::ExitCode;
use mirror_core::report::config_check::ConfigCheckReport;

use super::Scene;
use crate::args::{ConfigVerb, Format};
use crate::error::CliError;
use crate::file;

/// Checks, shows or describes the configuration.
pub(super) fn run(verb: &ConfigVerb, scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    match verb {
        ConfigVerb::Check => check(scene),
        ConfigVerb::Show => show(scene),
        ConfigVerb::Schema => {
            scene.out.document(&config::schema());
            Ok(ExitCode::Done)
        }
    }
}

/// For people, a wrong configuration is drawn with its places; programs get a report in both cases.
fn check(scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let report = match file::load(scene.globals.file.as_deref(), scene.environment) {
        Ok(file) => ConfigCheckReport::right(file.path.display().to_string(), &file.config),
        Err(wrong) if scene.out.form() == Format::Text => return Err(wrong.into()),
        Err(wrong) => {
            let path = file::named(scene.globals.file.as_deref(), scene.environment);
            ConfigCheckReport::wrong(path.display().to_string(), &wrong)
        }
    };
    Ok(scene.out.report(report))
}

fn show(scene: &mut Scene<'_, '_>) -> Result<ExitCode, CliError> {
    let file = file::load(scene.globals.file.as_deref(), scene.environment)?;
    let text = file.config.show();
    match scene.out.form() {
        Format::Text | Format::Yaml => scene.out.put(&text),
        Format::Json => {
            let value: serde_json::Value =
                serde_yaml::from_str(&text).expect("because a configuration that was shown reads back");
            scene.out.document(&value);
        }
    }
    Ok(ExitCode::Done)
}
