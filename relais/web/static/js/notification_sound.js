// The sound of notifications. Resolves to whether it was played: browsers refuse before the first click in a page.
let audio;

export async function playSound() {
  audio ??= new Audio(document.body.dataset.chime);
  audio.currentTime = 0;
  try {
    await audio.play();
    return true;
  } catch { return false; }
}
