//! What can be wrong with an experiment file.

/// An error about one TOML file. The message starts with its path and fits one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("{path}: cannot read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or does not have the expected keys and types.
    #[error("{path}: {problem}")]
    Parse {
        /// The file.
        path: String,
        /// What does not fit, in the words of the parser.
        problem: String,
    },
    /// The file says nothing of the scale asked for.
    #[error("{path}: no table [scale.{scale}]; write one or choose another scale")]
    NoScale {
        /// The file.
        path: String,
        /// The scale.
        scale: String,
    },
    /// The values are of the right type but make no sense together.
    #[error("{path}: {problem}")]
    Invalid {
        /// The file.
        path: String,
        /// What does not fit together.
        problem: String,
    },
}

impl RecipeError {
    pub(crate) fn parse(path: &str, text: &str, error: &toml::de::Error) -> Self {
        // The parser's own text spans several lines with an excerpt; one line with the place is what a log needs.
        let line = |span: std::ops::Range<usize>| {
            let before = text.get(..span.start).unwrap_or(text);
            format!("line {}: ", before.matches('\n').count() + 1)
        };
        let place = error.span().map(line).unwrap_or_default();
        let problem = place + &error.message().replace('\n', " ");
        Self::Parse { path: path.to_owned(), problem }
    }

    pub(crate) fn invalid(path: &str, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.to_owned(), problem: problem.into() }
    }
}
