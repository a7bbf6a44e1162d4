//! Which node and which lanes a verb works on.

/// The node and the lanes a verb works on. Names match without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Target")]
pub struct TargetArgs {
    /// The node [default: the only one of the configuration]
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// A lane of the node; may be given again, or as a comma list [default: all lanes]
    #[arg(long = "lane", value_name = "LANE", value_delimiter = ',')]
    pub lanes: Vec<String>,
}
