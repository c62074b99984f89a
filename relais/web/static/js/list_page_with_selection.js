// Entry of the lists whose rows can be chosen.
import "./list_page.js";
import "./dialog_link.js";
import "./bulk_selection.js";
