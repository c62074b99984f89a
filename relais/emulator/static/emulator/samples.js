// What a client sends beside texts and files of one's own: a voice note, a video, a position, a contact.

const CONTACT = ["BEGIN:VCARD", "VERSION:3.0", "N:Idrissi;Salma;;;", "FN:Salma Idrissi", "ORG:Garage Idrissi",
  "TEL;type=CELL;waid=212661020304:+212 661-020304", "END:VCARD", ""].join("\r\n");
const PLACE = { MessageType: "location", Latitude: "33.589886", Longitude: "-7.603869", Label: "Gare Casa-Port", Address: "Bd Houphouët-Boigny, Casablanca" };

async function recorded(name, type) {
  const response = await fetch(`/simulator/static/samples/${name}`);
  return { file: new File([await response.blob()], "", { type }) }; // phones give recordings no name
}

export const samples = {
  voice: () => recorded("voice.ogg", "audio/ogg"),
  video: () => recorded("video.mp4", "video/mp4"),
  location: async () => ({ extra: PLACE }),
  contact: async () => ({ file: new File([CONTACT], "", { type: "text/vcard" }) }),
};
