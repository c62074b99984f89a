// The conversation's page. One entry, so that each module below is loaded once.
import "./thread.js";
import "./composer.js";
import "./situation.js";
import "./client.js";
