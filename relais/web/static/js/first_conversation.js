// Imported last by the chat page: all other modules listen by now.
import { conversationId, dispatchConversationEvent } from "./open_conversation.js";

dispatchConversationEvent("opened", conversationId());
