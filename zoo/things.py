"""What the captioner calls the emoji: a plain noun for each drawing, and its colour, measured."""

import re

import numpy as np
from PIL import Image

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey"]
TINTS = {"red": 0, "orange": 28, "yellow": 52, "green": 125, "blue": 215, "purple": 277, "pink": 328}  # degrees of hue

# By group, the emoji that have a noun; of the groups that are not here, all of them.
CHOSEN = {
    "People & Body": "eye|eyes|ear|nose|brain|tooth|bone|tongue|mouth|foot|astronaut|ninja|fairy|mermaid|vampire|zombie|santa claus"
    "|superhero|princess|prince|baby|footprints|thumbs up|thumbs down",
    "Symbols": ".* circle|.* square|.* medium square|.* large square|large .* diamond|red triangle.*|check mark|cross mark|question mark"
    "|exclamation mark|plus sign|no entry|warning|radioactive|peace symbol|yin yang|infinity|recycling symbol|star of david|trident emblem",
    "Smileys & Emotion": r"(light )?\w+ heart|heart with .*|two hearts|heart on fire|.*cat.*|.*monkey|skull.*|pile of poo|clown face|ogre|goblin|ghost"
    "|alien.*|robot|.*bubble|balloon|collision|kiss mark|grinning face.*|beaming face.*|.*laughing|.*tears of joy|.*horns|.*halo"
    "|smiling face.*|kissing face.*|face blowing a kiss|.*tongue|slee.* face|.*crying face|.*frowning face|.*angry face|pouting face|winking face"
    "|thinking face|hot face|cold face|exploding head|cowboy hat face|nerd face|partying face|face with medical mask|face with thermometer"
    "|nauseated face|face with sunglasses|love letter|zzz",
}
# Emoji that name no thing to be seen, or only what another one is called.
ABSTRACT = (
    "wedding|camping|cooking|construction|building construction|performing arts|moon viewing ceremony|foggy|national park|cityscape.*"
    "|sunrise.*|sunset|bridge at night|hot springs|night with stars|milky way|high voltage|love hotel|convenience store|department store"
    "|motorway|barber pole|mate|oden|tamale|stuffed flatbread|pouring liquid|root vegetable|fish cake.*|hollow .*|japanese dolls|pine decoration"
    "|carp streamer|confetti ball|reminder ribbon|direct hit|goal net|lacrosse|field hockey|cricket game|card index.*|bookmark tabs|page .*"
    "|linked paperclips|chart increasing with yen|probing cane|link|hamsa|nazar amulet|identification card|placard|ledger|zzz|skull and crossbones"
    "|eye in speech bubble|police car light|station|wind face|shaved ice|tanabata tree|dvd|optical disk|computer disk|trackball|level slider"
    "|control knobs|pager|alembic|beach with umbrella|suspension railway|mountain cableway|aerial tramway|grinning squinting face.*"
)

# The first that fits a whole name gives the noun; names that none fits stay as they are, without their colour.
NOUNS = [
    (r".*\bcat\b.*", "cat"),
    (r"(\w+ )?\w+ clock|\w+ thirty", "clock"),
    (r".*\bmoon( face)?", "moon"),
    (r"globe.*", "globe"),
    (r"sun( with face)?", "sun"),
    (r"sun behind.*", "cloud"),
    (r"cloud( with .*)?", "cloud"),
    (r"snowman.*", "snowman"),
    (r"(closed )?umbrella.*", "umbrella"),
    (r"hourglass.*", "hourglass"),
    (r"(oncoming )?automobile|sport utility vehicle", "car"),
    (r"oncoming (.*)", None),
    (r"(small )?airplane.*", "airplane"),
    (r"(passenger )?ship|ferry", "ship"),
    (r"motor boat|speedboat", "boat"),
    (r"(pickup|delivery) truck|articulated lorry", "truck"),
    (r".* wheelchair", "wheelchair"),
    (r"high speed train|bullet train|train|metro|light rail|station|railway car", "train"),
    (r"tram car|mountain railway", "tram"),
    (r"houses?( with garden)?|derelict house", "house"),
    (r"(glowing )?star", "star"),
    (r"snow capped (mountain)|japanese (castle|post office)|(leafy green)|(light bulb)|(?:horizontal|vertical) (traffic light)", None),
    (r".*square", "square"),
    (r"pool 8 (ball)|martial arts (uniform)|spiral (notepad)|(?:jack o) (lantern)|tokyo (tower)|folding hand (fan)", None),
    (r".*horns", "devil"),
    (r".*halo", "angel"),
    (r".*laughing|.*tears of joy", "laughing face"),
    (r"smiling face with heart.*", "loving face"),
    (r"smiling face with sunglasses", "face with sunglasses"),
    (r"smiling face with tear|.*crying face", "crying face"),
    (r"kissing face.*|.*blowing a kiss", "kissing face"),
    (r"grinning (cat|face|squinting).*|beaming face.*", "grinning face"),
    (r"smiling face.*", "smiling face"),
    (r".*face.* tongue", "face with tongue"),
    (r"slee.* face", "sleeping face"),
    (r".*frowning face.*", "sad face"),
    (r".*angry face|pouting face", "angry face"),
    (r"cowboy hat face", "cowboy"),
    (r"clown face", "clown"),
    (r"alien.*", "alien"),
    (r"skull.*", "skull"),
    (r".*monkey", "monkey"),
    (r".*bubble", "bubble"),
    (r"two hearts|light blue heart|heart suit", "heart"),
    (r"(monkey|dog|tiger|horse|cow|pig|mouse|rabbit|dragon|cat|wind) face", None),
    (r"(?:guide|service) (dog)", None),
    (r".*chick", "chick"),
    (r"two hump (camel)|spouting (whale)|tropical (fish)|spiral (shell)|(paw) prints|ear of (corn)", None),
    (r"t rex|sauropod", "dinosaur"),
    (r"honeybee", "bee"),
    (r"lady beetle", "ladybug"),
    (r"(evergreen|deciduous|leafless|tanabata) tree", "tree"),
    (r"(fallen) leaf|leaf fluttering.*", "leaf"),
    (r"hot beverage", "cup of coffee"),
    (r".*ice cream|shaved ice", "ice cream"),
    (r"baguette bread", "baguette"),
    (r"shortcake", "cake"),
    (r".*medal", "medal"),
    (r"american football|rugby football", "football"),
    (r"wrapped gift", "gift"),
    (r"(1|2|3).*", "medal"),
    (r"(closed|green|blue|orange) book", "book"),
    (r"notebook.*", "notebook"),
    (r"(speaker) .*|muted (speaker)", None),
    (r"woman s clothes", "blouse"),
    (r"(man s|running|flat|high heeled) shoe", "shoe"),
    (r"(?:woman s|hiking) (boot)|woman s (sandal|hat)|thong (sandal)", None),
    (r"magnifying glass.*", "magnifying glass"),
    (r".*mailbox.*", "mailbox"),
    (r".* banknote", "banknote"),
    (r"mobile phone.*", "phone"),
    (r"telephone.*", "telephone"),
    (r"(un)?locked.*", "lock"),
    (r"old key", "key"),
    (r"e mail|.*envelope.*", "envelope"),
    (r"chart.*|bar chart", "chart"),
    (r"desktop computer", "computer"),
    (r"camera with flash", "camera"),
    (r"(?:in|out)box (tray)", None),
    (r"(open )?file folder", "folder"),
    (r"(round )?pushpin", "pin"),
    (r"(spiral|tear off) calendar", "calendar"),
    (r"musical notes?", "note"),
    (r".*triangle pointed.*", "triangle"),
    (r"rescue worker s helmet|military helmet", "helmet"),
    (r"man s (.*)|woman s (.*)", None),
    (r"hammer and .*", "hammer"),
    (r"couch and lamp", "couch"),
    (r"fork and knife.*", "fork and knife"),
]
# The nouns that are drawn and asked for. The vocabulary has the others too, so that this list can grow.
COMMON = set(
    """cat, dog, horse, bird, deer, frog, cow, pig, rabbit, mouse, bear, panda, lion, tiger, elephant, giraffe, monkey, fox, wolf, chicken, duck
    owl, penguin, fish, whale, dolphin, shark, octopus, turtle, snake, butterfly, bee, ladybug, spider, snail, crab, dinosaur, dragon, unicorn
    tree, palm tree, cactus, flower, rose, sunflower, tulip, leaf, mushroom, apple, banana, lemon, tangerine, grapes, watermelon, strawberry
    cherries, pear, peach, pineapple, carrot, corn, tomato, eggplant, broccoli, bread, cheese wedge, egg, hamburger, pizza, hot dog, ice cream
    doughnut, cookie, cake, cupcake, lollipop, french fries, popcorn, cup of coffee, beer mug, wine glass, car, truck, bus, train, bicycle
    motorcycle, airplane, ship, boat, sailboat, helicopter, rocket, tractor, taxi, ambulance, heart, star, circle, square, triangle, diamond
    moon, sun, cloud, umbrella, snowman, snowflake, fire, droplet, rainbow, balloon, gift, soccer ball, basketball, baseball, medal, trophy
    bell, key, lock, book, clock, watch, phone, telephone, computer, camera, television, light bulb, candle, chair, bed, house, castle, tent
    crown, hat, glasses, t shirt, dress, shoe, boot, socks, backpack, handbag, guitar, drum, trumpet, violin, pencil, scissors, hammer, axe
    kitchen knife, spoon, envelope, flag, anchor, robot, ghost, alien, skull, clown, smiling face, grinning face, crying face, angry face
    sad face, eye, ear, tooth, magnet, globe, mountain, volcano""".replace("\n   ", ",").split(", ")
)
PLURAL = {"snowman": "snowmen", "mouse": "mice", "goose": "geese", "tooth": "teeth", "foot": "feet", "leaf": "leaves", "loaf": "loaves", "wolf": "wolves", "knife": "knives"}
PLURAL |= {w: w for w in ("fish", "sheep", "deer", "bison", "shrimp", "squid", "ox", "moose")} | {"ox": "oxen", "scarf": "scarves"}
# Nouns that take no article and are not counted, besides those that end as plurals do.
MASS = set("bread butter salt bacon popcorn spaghetti sushi cooking mate ice garlic broccoli sake honey money fire fog wood rock yarn thread coral corn".split())
MASS |= set("infinity warning tennis badminton bowling lacrosse fireworks lipstick dna fishing zzz oden curry".split())
MASS |= {"cooked rice", "curry rice", "root vegetable", "leafy green", "ice hockey", "field hockey", "ping pong", "yin yang", "no entry", "thumbs up", "thumbs down"}
SINGULAR = set("glass cross compass octopus cactus bus radius walrus rhinoceros hippopotamus cyclops abacus dress princess lotus hibiscus trolleybus minibus".split())


def noun(name, group):
    """The noun of an emoji, or None of those that the captioner does not learn."""
    if (group in CHOSEN and not re.fullmatch(CHOSEN[group], name)) or re.fullmatch(ABSTRACT, name):
        return None
    for pattern, made in NOUNS:
        if found := re.fullmatch(pattern, name):
            name = made or next((g for g in found.groups() if g), name)
            break
    words = [w for w in name.split() if name == "leafy green" or w != "large" and w not in COLOURS]
    return " ".join(words) or None


def counted(thing):
    """Whether a noun can be counted, and so take an article."""
    last = thing.split()[-1]
    ends = last.endswith("s") and last not in SINGULAR
    return not (ends or thing in MASS or " with " in thing or " and " in thing or " of " in thing)


def plural(thing):
    *first, last = thing.split()
    if last in PLURAL:
        last = PLURAL[last]
    elif re.search(r"(s|x|sh|ch)$", last) or last in ("tomato", "potato", "volcano", "mango"):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join(first + [last])


def one(words, thing):
    """words with the article that they take, if the thing that they end in takes one."""
    if not counted(thing) and " of " not in thing and " with " not in thing:
        return words
    return ("an " if words[0] in "aeiou" and not words.startswith(("unic", "one", "eu")) else "a ") + words


def kinds(rgb):
    """For each pixel of uint8 [..., 3] the index of its colour in COLOURS."""
    x = rgb.astype(np.float32) / 255
    most, least = x.max(-1), x.min(-1)
    span = most - least
    safe = np.where(span == 0, 1, span)
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    hue = np.where(most == r, (g - b) / safe % 6, np.where(most == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    vivid = span / np.maximum(most, 1e-6)
    out = np.searchsorted([12, 40, 66, 165, 255, 295, 343], hue, side="right").astype(np.int8)
    out = np.array([0, 1, 2, 3, 4, 5, 6, 0], np.int8)[out]
    warm = (hue < 45) | (hue > 343)
    out[warm & (hue >= 8) & (hue < 45) & (most < 0.68)] = 7
    out[(hue >= 8) & (hue < 40) & (vivid < 0.5) & (most >= 0.68)] = -1  # skin, sand
    out[((hue < 8) | (hue > 330)) & (vivid < 0.55) & (most > 0.75)] = 6
    out[warm & (vivid < 0.35) & (most < 0.68)] = 7
    pale = vivid < 0.18
    out[pale] = 10
    out[pale & (most > 0.86)] = 9
    out[most < 0.25] = 8
    return out


def colour(rgba, share=0.55, other=0.25):
    """The one colour of a picture uint8 [H,W,4], or None where no colour has that share or a second has much too."""
    rgba = rgba[::2, ::2]
    seen = kinds(rgba[..., :3])[rgba[..., 3] > 128]
    counts = np.bincount(seen[seen >= 0], minlength=len(COLOURS)) / max(1, len(seen))
    order = counts.argsort()
    if counts[order[-1]] >= share and counts[order[-2]] <= other:
        return COLOURS[order[-1]]
    return None


def tinted(rgba, target):
    """A picture whose vivid pixels have all taken the hue of a colour of TINTS."""
    hsv = np.array(Image.fromarray(rgba[..., :3]).convert("HSV"))
    vivid = hsv[..., 1] > 60
    hsv[..., 0][vivid] = round(TINTS[target] * 256 / 360) % 256
    rgb = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))
    return np.concatenate([rgb, rgba[..., 3:]], 2)
