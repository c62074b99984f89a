// Entry of the conversation page. One entry a page, so that each module below is loaded once.
import "./list_page.js";
import "./thread.js";
import "./note_composer.js";
import "./composer.js";
import "./undo_send.js";
import "./own_notes.js";
import "./presence.js";
import "./chat_header.js";
import "./remote_dialog.js";
import "./client_panel.js";
import "./back_to_list.js";
import "./list_pages.js";
import "./conversation_keys.js";
import "./quick_reply_trigger.js";
import "./conversation_panes.js";
import "./first_conversation.js";
import "./client_data.js";
