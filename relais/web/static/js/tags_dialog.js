// Entry of the dialog of tags, loaded when it is first opened.
import "./tag_picker.js";
