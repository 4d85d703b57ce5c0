//! Files that every page refers to: the stylesheet and the script.

/// A file with its type.
#[derive(Clone, Copy)]
pub struct Asset {
    /// Last segment of its path.
    pub name: &'static str,
    pub media_type: &'static str,
    pub content: &'static str,
}

/// Tokens of colour, space and type, and all components.
pub const STYLE: Asset = Asset {
    name: "console.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("../assets/console.css"),
};

/// Keys, copying and the time zone of the reader; every page works without it.
pub const SCRIPT: Asset = Asset {
    name: "console.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("../assets/console.js"),
};

/// Every file.
pub const ALL: [Asset; 2] = [STYLE, SCRIPT];
