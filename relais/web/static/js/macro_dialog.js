// Entry of the dialog of macros, loaded when it is first opened.
import "./macro_picker.js";
import "./macro_run.js";
