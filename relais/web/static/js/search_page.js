// Entry of the search page.
import "./every_page.js";
import "./search.js";
