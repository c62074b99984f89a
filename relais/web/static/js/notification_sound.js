// The sound of notifications. Resolves to whether it was played: browsers refuse before the first click in a page.
let audio;

export async function playSound(address = document.body.dataset.chime) {
  if (!address) return true; // the user wants none
  const url = new URL(address, location.href).href;
  if (audio?.src !== url) audio = new Audio(url);
  audio.currentTime = 0;
  try {
    await audio.play();
    return true;
  } catch { return false; }
}
