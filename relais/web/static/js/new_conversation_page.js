// Entry of the page « Nouvelle conversation ».
import "./every_page.js";
import "./template_preview.js";
