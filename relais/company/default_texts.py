"""The texts that clients get until the company writes its own on the settings page. {marque} is the brand."""

TAKE_OVER_TEXT = "Vous êtes maintenant en contact avec un agent {marque}. Comment puis-je vous aider ?"
CLOSE_TEXT = (
    "Merci d'avoir contacté {marque}. Votre conversation a été clôturée. "
    "N'hésitez pas à nous recontacter si besoin !"
)
WAITING_TEXT = "Votre demande est bien reçue. Un agent {marque} vous répond dès que possible."
