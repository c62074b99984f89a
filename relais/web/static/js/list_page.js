// Entry of the pages that show lists of conversations.
import "./every_page.js";
import "./conversation_list.js";
import "./list_order.js";
import "./draft_marks.js";
import "./row_viewers.js";
