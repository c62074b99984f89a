// The conversation that the page shows, looked up when it is needed: `conversation_panes.js` replaces its elements.
// It dispatches on `document` relais:conversation-left before and relais:conversation-opened after each replacement, the
// second one at page load, too; `detail.conversation` is the id.
export const chatElement = () => document.getElementById("chat");
export const conversationId = () => chatElement()?.dataset.conversation ?? "";

export function dispatchConversationEvent(name, conversation) {
  document.dispatchEvent(new CustomEvent(`relais:conversation-${name}`, { detail: { conversation } }));
}
