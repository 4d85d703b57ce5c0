//! The checks of national numbers: one file for each country; countries with the same number share a file.

pub mod be;
pub mod bg;
pub mod cz;
pub mod dk;
pub mod ee;
pub mod es;
pub mod fi;
pub mod gb;
pub mod gr;
pub mod hr;
pub mod is;
pub mod it;
pub mod lv;
pub mod mt;
pub mod nl;
pub mod no;
pub mod pl;
pub mod pt;
pub mod ro;
pub mod se;
pub mod si;
pub mod travel;
