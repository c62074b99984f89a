// Imported last by the chat page: all other modules listen by now.
import { dispatchHash } from "./conversation_panes.js";
import { conversationId, dispatchConversationEvent } from "./open_conversation.js";

dispatchConversationEvent("opened", conversationId());
dispatchHash();
