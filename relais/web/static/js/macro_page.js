// Entry of the page of one macro.
import "./every_page.js";
import "./insert_variable.js";
import "./macro_steps.js";
