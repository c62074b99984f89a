// What every page runs. A module of imports alone is what a page asks for: collecting joins it with all it imports.
import "./times.js";
import "./scroll.js";
import "./dialog.js";
import "./copy.js";
import "./forget.js";
import "./notices.js";
import "./live.js";
