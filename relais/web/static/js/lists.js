// A page with lists.
import "./shell.js";
import "./list.js";
