"""Sample names and messages of a dealership in Casablanca and Abidjan, for generated databases."""

FIRST_NAMES = (
    "Fatou", "Aïcha", "Mariam", "Khadija", "Salma", "Imane", "Aminata", "Adjoua", "Nadia", "Zineb",
    "Awa", "Rokia", "Hafsa", "Meryem", "Affoué", "Youssef", "Mehdi", "Karim", "Hamza", "Omar",
    "Koffi", "Kouamé", "Ibrahim", "Moussa", "Sékou", "Yao", "Rachid", "Anas", "Bilal", "Jean-Marc",
    "Serge", "Émile", "Hélène", "Loubna", "Ghita", "Drissa", "Abdoulaye", "Soufiane", "Yassine", "Inès",
)  # fmt: skip
LAST_NAMES = (
    "Benjelloun", "El Amrani", "Tazi", "Bennani", "Alaoui", "Berrada", "Chraïbi", "El Fassi", "Idrissi", "Lahlou",
    "Sqalli", "Bouzidi", "Ouazzani", "Kabbaj", "Naciri", "Kouassi", "N'Guessan", "Koné", "Traoré", "Ouattara",
    "Diallo", "Coulibaly", "Bamba", "Touré", "Yapi", "Aké", "Gnagne", "Kouadio", "Diabaté", "Soro",
    "Mansouri", "Haddad", "Cherkaoui", "El Khatib", "Filali", "Guessous", "Brou", "Fofana", "Camara", "Sanogo",
)  # fmt: skip
ARABIC_NAMES = (
    "فاطمة الزهراء", "يوسف بنجلون", "خديجة العمراني", "محمد الإدريسي", "سلمى", "كريم التازي", "أمين", "مريم العلوي",
    "حمزة برادة", "زينب", "رشيد", "إيمان السقلي",
)  # fmt: skip
NICKNAMES = ("Fatou 🌸", "Mehdi_91", "Le Boss 🚗", "~K~", "mama Rokia ❤️", "YAO K.", "salma 🌙", "Dr Haddad")
AGENTS = (
    "Sara Ouazzani", "Didier Kouamé", "Hicham Filali", "Aya N'Guessan", "Omar Chraïbi", "Clarisse Brou",
    "Reda Lahlou", "Mariama Bamba", "Nabil Cherkaoui", "Fanta Koné", "Younes Tazi", "Grâce Yapi",
)  # fmt: skip
TEAMS = ("Ventes", "Après-vente")

CLIENT = (
    "Bonjour",
    "Bonsoir, vous êtes encore ouverts ?",
    "Bonjour, je voudrais prendre rendez-vous pour la révision des 40 000 km de ma Classe C",
    "Quel est le prix de la GLA 200 s'il vous plaît ?",
    "Le voyant moteur est allumé depuis hier soir, c'est grave ?",
    "Ma voiture est toujours chez vous ? On m'avait dit jeudi 🙄",
    "Merci beaucoup 🙏",
    "D'accord",
    "Oui",
    "Non merci",
    "Ok parfait 👍",
    "Combien coûtent les plaquettes de frein avant pour une C220d de 2019 ?",
    "Je suis à Abidjan, Cocody. Vous avez un atelier à Marcory ?",
    "La garantie couvre-t-elle la batterie ? Elle a 18 mois.",
    "Je n'ai pas reçu la facture par e-mail",
    "Est-ce que je peux passer demain à 9 h 30 ?",
    "Je cherche un utilitaire, un Vito ou un Sprinter, livraison à Bouskoura",
    "Le commercial devait me rappeler lundi, personne n'a appelé.",
    "Voici la photo du tableau de bord",
    "C'est pour un essai du GLE, samedi si possible",
    "Vous faites la reprise ? J'ai une Classe A de 2017, 82 000 km, première main",
    "Mon numéro de châssis est sur la carte grise, je vous l'envoie ce soir",
    "Il y a un bruit quand je freine, surtout en descente, et la direction tire un peu à droite. "
    "C'est arrivé après le changement de pneus fait le mois dernier chez vous.",
    "Je préfère le site de Casablanca, boulevard Moulay Slimane",
    "Et pour le financement, c'est combien par mois sur 48 mois ?",
    "Allô ?",
    "???",
    "Je suis en route, j'arrive dans 20 minutes 🚙",
    "Trop cher pour moi 😅 vous avez une remise avec la carte VIP ?",
    "Mon mari passera la récupérer à ma place",
    "السلام عليكم",
    "بغيت ناخد موعد للصيانة ديال السيارة عافاكم",
    "شكرا جزيلا 🙏",
    "كم ثمن GLC الجديدة؟",
    "السيارة واش واجدة؟",
    "نعم",
    "لا شكرا",
    "أريد التحدث مع أحد المستشارين من فضلكم",
    "هل الضمان مازال ساري المفعول؟ اشتريت السيارة سنة 2023 من الدار البيضاء",
    "سأمر غدا في الصباح إن شاء الله",
)
CHOICES = ("1", "2", "3", "4", "oui", "non", "menu", "agent")
AGENT = (
    "Bonjour, je reprends votre demande. Un instant, je regarde votre dossier.",
    "Votre véhicule est prêt, vous pouvez passer le récupérer jusqu'à 18 h 30.",
    "Je vous propose mardi à 9 h ou mercredi à 14 h 30 : qu'est-ce qui vous arrange ?",
    "C'est noté, votre rendez-vous est confirmé. Pensez à la carte grise 🙂",
    "Les plaquettes avant sont en stock : 1 850 DH pose comprise.",
    "La pièce arrive d'Allemagne, comptez huit à dix jours. Je vous tiens au courant.",
    "Oui, la garantie couvre la batterie pendant deux ans.",
    "Pouvez-vous m'envoyer le numéro de châssis (17 caractères) ?",
    "Je demande à l'atelier et je reviens vers vous avant midi.",
    "La facture vient de partir par e-mail. Regardez aussi dans les indésirables.",
    "Avec votre carte VIP, la main-d'œuvre est à −15 %.",
    "Pour la GLA 200, le tarif démarre à 489 000 DH ; je vous envoie la fiche.",
    "Désolé pour l'attente, le rappel a été manqué. Je vous appelle moi-même cet après-midi.",
    "Avec plaisir, bonne route !",
    "صباح الخير، سيارتكم جاهزة ويمكنكم المرور لأخذها اليوم.",
    "تم تأكيد الموعد يوم الثلاثاء على الساعة التاسعة.",
)
BOT = (
    "Bienvenue chez Mercedes-Benz 👋\n1. Véhicules neufs\n2. Après-vente\n3. Pièces et accessoires\n"
    "4. Parler à un conseiller",
    "Quel modèle vous intéresse ? Classe A, Classe C, GLA, GLC, GLE…",
    "Merci. Pouvez-vous nous donner votre nom et votre prénom ?",
    "Avez-vous une carte VIP ? Répondez par oui ou non.",
    "Nos ateliers de Casablanca et d'Abidjan sont ouverts du lundi au vendredi de 8 h à 18 h 30, "
    "le samedi jusqu'à 13 h.",
    "Je n'ai pas compris. Répondez par le numéro de votre choix, ou « menu » pour revenir au début.",
    "Votre demande est enregistrée. Un conseiller vous rappelle sous 24 heures.",
    "مرحبا بكم. 1. سيارات جديدة 2. خدمة ما بعد البيع 3. قطع الغيار",
)
PATIENCE = "Un conseiller vous répond dans quelques minutes. Merci de patienter 🙏"
TAKEN = "Un conseiller a pris votre conversation."
CLOSED = "Votre conversation est terminée. Merci de votre confiance."
REASONS = ("le client le demande", "devis", "réclamation", "rendez-vous à l'atelier", "pièce introuvable", "")
MENUS = (
    "vehicules_neufs", "apres_vente", "pieces_et_accessoires", "rendez_vous", "financement", "occasions", "garantie",
    "parler_a_un_conseiller",
)  # fmt: skip
STEPS = (
    ("collect_name", "client_full_name"),
    ("collect_vin", "vin"),
    ("collect_email", "email"),
    ("modele", ""),
    ("kilometrage", ""),
)
VOCABULARY = (
    "client véhicule moteur semaine dossier jours entretien freins pneus facture matin rendez-vous agence "
    "réparation batterie courroie filtre huile climatisation embrayage pare-brise rétroviseur phare clignotant "
    "amortisseur distribution turbo injecteur radiateur alternateur démarreur échappement catalyseur disque "
    "étrier cardan rotule triangle crémaillère direction suspension carrosserie peinture rayure portière coffre "
    "serrure télécommande clé antivol autoradio caméra capteur recul régulateur limiteur essuie-glace lave-glace "
    "ceinture airbag siège cuir jante enjoliveur valve pression géométrie parallélisme équilibrage vidange "
    "révision diagnostic valise calculateur voyant témoin fusible relais faisceau connecteur durite pompe "
    "réservoir jauge bougie bobine culasse soupape piston vilebrequin carter joint segment bielle poulie galet "
    "tendeur sonde lambda débitmètre papillon collecteur silencieux assurance sinistre expert constat franchise "
    "devis acompte virement chèque espèces mensualité apport leasing location immatriculation préfecture quitus "
    "douane conformité homologation vignette procuration livraison transporteur remorquage dépannage prêt "
    "courtoisie navette convoyage parking atelier magasin comptoir standard réception planning créneau retard "
    "annulation report confirmation rappel message courriel signature garantie extension exclusion usure "
    "corrosion infiltration vibration claquement sifflement grincement fuite fumée odeur surchauffe calaminage "
    "patinage broutage à-coup perte puissance consommation autonomie recharge borne câble prise hybride "
    "électrique essence gazole additif réglage mise-à-jour cartographie multimédia navigation bluetooth"
)
"""Words of messages, the more frequent ones first."""
DISTRICTS = (
    "Maârif", "Gauthier", "Anfa", "Bourgogne", "Hay Hassani", "Sidi Maârouf", "Aïn Sebaâ", "Bouskoura", "Cocody",
    "Plateau", "Marcory", "Treichville", "Yopougon", "Riviera", "Bingerville", "Koumassi", "أنفا", "المعاريف",
)  # fmt: skip
