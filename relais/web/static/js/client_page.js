// Entry of the card of a client.
import "./every_page.js";
import "./client_data.js";
