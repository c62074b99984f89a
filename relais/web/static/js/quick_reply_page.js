// Entry of the page of one quick reply.
import "./every_page.js";
import "./insert_variable.js";
