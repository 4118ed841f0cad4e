"""The words of composed word problems: what happens in which setting, and how it is asked for. Data only.

A wording is a template: {a}, {b} ... are the event's own numbers, {who}, {other} and {third} persons; {many}, {boxes}, {gone},
{place} and {how} are the setting's words. Several wordings are told apart by "|". `math_stories` says what each kind of
event computes. Clauses (events) begin small and have no full stop; beginnings and questions are whole sentences.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """name: of the setting. words: kind -> its wordings, its own before those of its sort. slots: what templates call by
    name. answer: how a number of its things is written, as "{v} books". them: what all of it is called, rest: what is left.
    """

    name: str
    words: dict[str, tuple[str, ...]]
    slots: dict[str, str]
    answer: str
    them: tuple[str, ...]
    rest: tuple[str, ...]


# Sorts of settings: what may happen in all of one sort, unless the setting has its own words for it.
_THINGS = {
    "groups": "There are {a} {boxes} with {b} {many} in each.|{a} {boxes} hold {b} {many} each.|"
    "{who} fills {a} {boxes} with {b} {many} each.|{place} has {a} {boxes} of {b} {many}.",
    "two": "{who} brings {a} {many} and {other} brings {b}.|{who} has {a} {many}, and {other} has {b}.",
    "two days": "On two days {a} and {b} {many} are {gone}.|On Monday {a} {many} are {gone}, and on Tuesday {b}.",
    "three days": "On three days {a}, {b} and {c} {many} are {gone}.|"
    "Over three days {who} counts {a}, {b} and {c} {many}.",
    "four days": "On four days {a}, {b}, {c} and {d} {many} are {gone}.|"
    "In four days {who} counts {a}, {b}, {c} and {d} {many}.",
    "of": "{b} of {a} {many} are {gone}.|Of {a} {many}, {b} are {gone}.|{b} of the {a} {many} are {gone}.",
    "gain groups": "{a} more {boxes} with {b} {many} each are brought|{a} {boxes} of {b} {many} are added|"
    "for {a} days {b} more {many} are added every day|{a} {many} come each day for {b} days",
    "lose groups": "{a} {boxes} of {b} {many} are {gone}|for {a} days {b} {many} a day are {gone}|"
    "{a} {many} are {gone} each day for {b} days|{a} people take {b} {many} each",
    "times": "there are {a} times as many {many}|the number grows to {a} times as many",
    "double": "the number of {many} doubles|there are twice as many {many}",
    "half": "half of {them} are {gone}",
    "less": "{a}% of {them} are {gone}|the number falls by {a}%",
    "more": "the number of {many} rises by {a}%|there are {a}% more {many}",
    "part": "{a}/{b} of {them} are {gone}",
    "now": "How many {many} are there now?|How many {many} is that?|How many {many} are there then?",
    "now up": "How many {many} are there in all?|How many {many} are there altogether?|How many {many} is that in all?",
    "now down": "How many {many} are left?|How many {many} remain?|How many {many} are not {gone}?",
    "together": "{third} has {a} {many}. How many {many} is that together?|"
    "Elsewhere there are {a} more. How many {many} are there together?",
    "share": "They are shared equally among {a} children. How many {many} does each child get?|"
    "{a} people share them equally. How many {many} does each get?|"
    "They are packed into {a} equal {boxes}. How many {many} are in each?",
    "pack": "They are put into {boxes}, {a} in each. How many {boxes} is that?|"
    "{a} {many} fit into each of the {boxes}. How many {boxes} are needed?",
    "worth": "They are sold for ${a} each. How much money is that?|One costs ${a}. What do they all cost?|"
    "Each is worth ${a}. How much are they worth together?",
    "than": "{third} has {a} {many}. How many more is that than {third} has?|"
    "Elsewhere there are {a} {many}. How many more are there here?",
    "missing": "{a} {many} are needed. How many are missing?|There is room for {a} {many}. How many more fit in?|"
    "The aim is {a} {many}. How many more are needed?",
    "percentage": "{a} of {them} are red. What percentage is that?|{a} of {them} are new. What percentage is new?|"
    "{a} of {them} are {gone}. What percentage is that?",
    "growth": "A year ago there were {a} {many}. By how many percent did the number rise?|"
    "Last week there were {a}. By how many percent is the number of {many} higher now?",
    "a day": "They last {a} days. How many {many} is that per day on average?|"
    "That is for {a} days. What is the average per day?",
    "average": "What is the average per day?|How many {many} is that a day on average?|What is the average of the days?",
    "percent of": "{a}% of {them} are blue. How many {many} are blue?|{a}% of {them} are new. How many are new?",
    "part of": "{a}/{b} of {them} are blue. How many {many} are blue?|{a}/{b} of {them} are new. How many new {many} is that?",
    "half of": "Half of {them} are new. How many {many} are new?|Half of {them} are blue. How many are blue?",
    "many times": "{third} has {a} times as many. How many {many} does {third} have?",
}  # fmt: skip
_PEOPLE = {key: text for key, text in _THINGS.items() if key not in ("worth", "share", "two")} | {
    "gain groups": "{a} {boxes} with {b} {many} each arrive|for {a} days {b} more {many} come every day|"
    "{a} more {boxes} of {b} {many} come in",
    "lose groups": "{a} {boxes} of {b} {many} leave|for {a} days {b} {many} a day leave",
    "a day": "They came within {a} days. How many {many} is that per day on average?|That is for {a} days. What is the average per day?",
    "together": "At another place there are {a}. How many {many} is that together?",
    "than": "At another place there are {a} {many}. How many more are there here?",
    "pack": "They form {boxes} of {a}. How many {boxes} is that?",
    "worth": "Each pays ${a}. How much money is that?|A ticket costs ${a}. What do the tickets for all cost?",
    "share": "They form {a} equal {boxes}. How many {many} are in each?",
    "percentage": "{a} of {them} are women. What percentage is that?|{a} of {them} are new. What percentage is new?",
    "many times": "Another place has {a} times as many. How many {many} are there?",
    "percent of": "{a}% of {them} are women. How many are women?|{a}% of {them} are new. How many {many} are new?",
    "part of": "{a}/{b} of {them} are women. How many are women?|{a}/{b} of {them} are new. How many new {many} is that?",
    "half of": "Half of {them} are women. How many are women?|Half of {them} are new. How many {many} are new?",
}  # fmt: skip
_SCORES = {
    key: text for key, text in _THINGS.items()
    if key not in ("of", "half", "less", "part", "share", "pack", "worth", "percent of", "part of", "half of", "percentage")
} | {
    "two": "{who} scores {a} {many} and {other} scores {b}.|{who} has {a} {many}, and {other} has {b}.",
    "groups": "In {a} {boxes} {who} scores {b} {many} each.|{who} scores {a} {many} in each of {b} {boxes}.",
    "gain groups": "in {a} more {boxes} {who} scores {b} {many} each|for {a} days {who} scores {b} {many} every day",
    "lose groups": "{a} mistakes cost {b} {many} each|{who} loses {a} {many} in each of {b} {boxes}",
    "missing": "The aim is {a} {many}. How many more are needed?|{a} {many} are needed. How many are missing?",
}  # fmt: skip
_MONEY = {
    "begin": "{who} has ${a}.|{who} has saved ${a}.|There is ${a} in {place}.",
    "two": "{who} gives ${a} and {other} gives ${b}.|{who} has ${a}, and {other} has ${b}.",
    "two days": "On two days {who} earns ${a} and ${b}.",
    "three days": "On three days {who} earns ${a}, ${b} and ${c}.|On Monday ${a} come in, on Tuesday ${b} and on Wednesday ${c}.",
    "four days": "On four days {who} earns ${a}, ${b}, ${c} and ${d}.",
    "groups": "{who} works {a} hours for ${b} an hour.|{who} earns ${a} a day for {b} days.|{who} sells {a} {many} for ${b} each.",
    "gain": "{who} earns ${a}|{other} gives {who} ${a}|${a} more come in|{who} finds ${a}",
    "lose": "{who} spends ${a}|{who} gives {other} ${a}|{who} pays ${a} for a gift|${a} are taken out",
    "gain groups": "{who} works {a} hours for ${b} an hour|{who} sells {a} {many} for ${b} each|{who} saves ${a} a week for {b} weeks",
    "lose groups": "{who} buys {a} {many} at ${b} each|{who} pays ${a} a week for {b} weeks|{a} friends get ${b} each",
    "times": "there is {a} times as much money",
    "double": "the money doubles|there is twice as much money",
    "half": "half of {them} is spent|{who} spends half of {them}",
    "less": "{who} spends {a}% of {them}|{a}% of {them} is spent",
    "more": "the money rises by {a}%|interest of {a}% is added",
    "part": "{who} spends {a}/{b} of {them}|{a}/{b} of {them} is spent",
    "now": "How much money does {who} have now?|How much money is that?",
    "now up": "How much money is there in all?|How much money is that altogether?|How much does {who} have in all?",
    "now down": "How much money is left?|How much does {who} have left?",
    "together": "{third} has ${a}. How much money do they have together?",
    "share": "It is shared equally among {a} friends. How much money does each get?|{a} children share it equally. How much does each get?",
    "than": "{third} has ${a}. How much more does {who} have than {third}?",
    "missing": "A tent costs ${a}. How much money is missing?|The aim is ${a}. How much more is needed?",
    "percentage": "${a} of {them} is in coins. What percentage is that?|{who} spends ${a} of {them}. What percentage is that?",
    "growth": "A year ago it was ${a}. By how many percent did it rise?|Last week {who} had ${a}. By how many percent did the money rise?",
    "a day": "It lasts {a} days. How much money is that per day on average?|That is for {a} days. What is the average per day?",
    "average": "What is the average per day?|How much money is that a day on average?",
    "percent of": "{a}% of {them} is in coins. How much money is in coins?|{who} gives away {a}% of {them}. How much does {who} give away?",
    "part of": "{a}/{b} of {them} is in coins. How much money is in coins?|{who} uses {a}/{b} of {them}. How much does {who} use?",
    "half of": "Half of {them} is in coins. How much money is in coins?|{who} gives away half of {them}. How much does {who} give away?",
    "many times": "{third} has {a} times as much. How much money does {third} have?",
}  # fmt: skip
_BILL = {
    "begin": "The bill is ${a}.|{who} buys a {one} for ${a}.|A {one} costs ${a}.|{who} has a bill of ${a}.",
    "groups": "{who} buys {a} {many} at ${b} each.|{a} {many} cost ${b} each.|One of the {many} costs ${a}, and {who} buys {b}.|{who} pays for {a} {many} at ${b} each.",
    "two": "A {one} costs ${a} and a bag ${b}.|{who} buys a {one} for ${a} and a bag for ${b}.",
    "gain": "{extra} costs ${a} more|{who} adds a lamp for ${a}|a gift for ${a} is added to the bill",
    "gain groups": "{who} also takes {a} cards for ${b} each|{a} candles at ${b} each are added|{who} buys {a} mugs for ${b} each too|{a} plates at ${b} each come with it",
    "lose": "a voucher takes ${a} off|the shop gives ${a} back|the bill falls by ${a}",
    "lose groups": "{a} vouchers take ${b} off each|{who} brings {a} bottles back and gets ${b} for each",
    "half": "in the sale everything is at half price|the price falls by half",
    "double": "the price doubles",
    "less": "in the sale it is {a}% cheaper|{who} gets {a}% off|the price falls by {a}%",
    "more": "{who} adds a tip of {a}%|a tax of {a}% is added|the price rises by {a}%",
    "now": "What does {who} pay?|How much is that?|What is the total?|How much does it cost?",
    "now up": "What does {who} pay in all?|What is the total?|How much is that together?|What do they cost together?",
    "now down": "What does {who} pay?|How much is left to pay?|What does it cost now?",
    "together": "{third} pays ${a}. How much do they pay together?",
    "share": "{a} friends share the bill equally. How much does each pay?|It is paid in {a} equal parts. How much is each?",
    "than": "At another shop it costs ${a}. How much cheaper is that?|{third} pays ${a}. How much more does {who} pay than {third}?",
    "change": "{who} pays with a ${a} note. How much change does {who} get?|{who} gives ${a}. What is the change?",
    "missing": "{who} has ${a}. How much money is left?|{who} takes ${a} along. How much is left for {who}?",
    "percentage": "${a} of it is tax. What percentage is that?|A card pays ${a} of it. What percentage of the bill is that?",
    "growth": "Last year it was ${a}. By how many percent did the price rise?|It was ${a} before. By how many percent is it dearer now?",
    "percent of": "{a}% of it is tax. How much is the tax?|{who} gives a tip of {a}%. How much is the tip?",
    "half of": "{third} pays half of it. How much does {third} pay?",
    "many times": "{third} pays {a} times as much. How much does {third} pay?",
}  # fmt: skip
_AMOUNT = {
    "two": "{who} {does} {a} {many} and {other} {b} {many}.",
    "two days": "On two days {who} {does} {a} and {b} {many}.",
    "three days": "On three days {who} {does} {a}, {b} and {c} {many}.|On Monday {who} {does} {a} {many}, on Tuesday {b} and on Wednesday {c}.",
    "four days": "On four days {who} {does} {a}, {b}, {c} and {d} {many}.",
    "begin": "{who} {does} {a} {many}.|In the morning {who} {does} {a} {many}.",
    "groups": "{who} {does} {a} {many} a day for {b} days.|For {a} days {who} {does} {b} {many} every day.",
    "gain": "{who} {does} {a} {many} more|another {a} {many} are added|{other} adds {a} {many}",
    "gain groups": "for {a} days {who} {does} {b} {many} a day|{who} {does} {a} times {b} {many}",
    "lose": "{a} {many} of it are {gone}|{who} takes {a} {many} off",
    "times": "it grows to {a} times as much",
    "double": "it doubles",
    "half": "half of {them} is {gone}",
    "less": "{a}% of {them} is {gone}|it falls by {a}%",
    "more": "it rises by {a}%",
    "part": "{a}/{b} of {them} is {gone}",
    "now": "How many {many} is that?|How many {many} is that now?",
    "now up": "How many {many} is that in all?|How many {many} is that altogether?",
    "now down": "How many {many} are left?|How many {many} remain?",
    "together": "{third} {does} {a} {many}. How many {many} is that together?",
    "share": "It is split into {a} equal parts. How many {many} is each part?|{a} people share it equally. How many {many} is that for each?",
    "than": "{third} {does} {a} {many}. How many {many} more is that than for {third}?",
    "missing": "The aim is {a} {many}. How many {many} are missing?|{a} {many} are needed. How many {many} more is that?",
    "percentage": "{a} {many} of {them} are for {other}. What percentage is that?",
    "growth": "A year ago it was {a} {many}. By how many percent did it rise?|Last week it was {a} {many}. By how many percent is that more?",
    "a day": "That is for {a} days. How many {many} is that per day on average?|It took {a} days. What is the average per day?",
    "average": "What is the average per day?|How many {many} is that a day on average?",
    "percent of": "{a}% of {them} is for {other}. How many {many} is that?",
    "part of": "{a}/{b} of {them} is for {other}. How many {many} is that?",
    "half of": "Half of {them} is for {other}. How many {many} is that?",
    "many times": "{third} {does} {a} times as much. How many {many} is that?",
}  # fmt: skip


def _made(
    name: str, sort: dict[str, str], answer: str, slots: dict[str, str], own: dict[str, str],
    them: tuple[str, ...], rest: tuple[str, ...] = ("the rest",),
) -> Setting:  # fmt: skip
    words = {kind: tuple(text.split("|")) for kind, text in (sort | own).items() if text}
    return Setting(name, words, slots, answer, them, rest)


def _things(
    name: str, many: str, boxes: str, gone: str, begin: str, gain: str, lose: str,
    sort: dict[str, str] = _THINGS, **own: str,
) -> Setting:  # fmt: skip
    slots = {"many": many, "boxes": boxes, "gone": gone, "place": f"the {name}"}
    words = {"begin": begin, "gain": gain, "lose": lose, **own}
    return _made(
        name, sort, f"{{v}} {many}", slots, words, ("them", f"the {many}"), ("the rest", f"the remaining {many}")
    )


def _people(name: str, many: str, boxes: str, gone: str, begin: str, gain: str, lose: str) -> Setting:
    return _things(name, many, boxes, gone, begin, gain, lose, _PEOPLE)


def _money(name: str, many: str, **own: str) -> Setting:
    return _made(name, _MONEY, "${v}", {"many": many, "place": f"the {name}"}, own, ("it", "the money"))


def _bill(name: str, one: str, many: str, extra: str) -> Setting:
    return _made(name, _BILL, "${v}", {"one": one, "many": many, "extra": extra}, {}, ("it",))


def _amount(name: str, many: str, does: str, gone: str, **own: str) -> Setting:
    return _made(name, _AMOUNT, f"{{v}} {many}", {"many": many, "does": does, "gone": gone}, own, ("it",))


SETTINGS = (
    _things("library", "books", "shelves", "lent", "The library has {a} books.|A library owns {a} books.",
            "{a} new books are bought|readers bring {a} books back|{who} gives the library {a} books", "{a} books are lent|{a} old books are thrown away|readers borrow {a}"),
    _things("farm", "eggs", "baskets", "sold", "The hens lay {a} eggs.|A farm has {a} eggs.|{who} collects {a} eggs.",
            "the hens lay {a} more|{who} finds {a} more eggs", "{a} eggs break|{who} sells {a} eggs|{a} are eaten"),
    _things("orchard", "apples", "crates", "eaten", "{who} picks {a} apples.|{a} apples hang on a tree.",
            "{other} picks {a} more|{who} picks {a} apples more", "{a} apples fall down and are thrown away|{who} eats {a}|{who} gives {a} of them to {other}"),
    _things("bakery", "loaves", "trays", "sold", "The bakery bakes {a} loaves.|A bakery has {a} loaves.",
            "{who} bakes {a} more loaves|{a} more come out of the oven", "{a} loaves are sold|{who} buys {a} of them|{a} go to a school"),
    _things("kitchen", "biscuits", "tins", "eaten", "{who} bakes {a} biscuits.|There are {a} biscuits in the kitchen.",
            "{other} bakes {a} more|{who} puts {a} more beside them", "{who} eats {a}|{a} biscuits burn|{a} of them are given to {other}"),
    _things("school", "pencils", "drawers", "used", "The school has {a} pencils.|There are {a} pencils on the table.",
            "{a} more pencils are bought|{who} brings {a} pencils|{who} finds {a} more", "{a} pencils are lost|{who} takes {a} pencils|{a} pencils are used up"),
    _things("workshop", "screws", "jars", "used", "The workshop has {a} screws.|A workshop has {a} screws.",
            "{a} screws are delivered|{who} buys {a} more screws", "{who} uses {a} screws|{a} are lost|{a} screws are taken out"),
    _things("beach", "shells", "buckets", "broken", "{who} finds {a} shells.|{who} collects {a} shells on the beach.",
            "{who} finds {a} more shells|{other} gives {who} {a} more", "{who} loses {a}|{a} shells break|{who} gives {a} of them to {other}"),
    _things("album", "stamps", "pages", "given away", "{who} has {a} stamps.|{who} owns {a} stamps.",
            "{who} gets {a} more stamps|{other} gives {who} {a}|{who} buys {a} stamps", "{who} gives {a} stamps away|{who} sells {a} stamps to {other}|{who} loses {a}"),
    _things("playground", "marbles", "bags", "lost", "{who} has {a} marbles.|{who} brings {a} marbles.",
            "{who} wins {a} marbles|{who} wins {a} more from {other}", "{who} loses {a} marbles|{who} gives {other} {a} marbles|{other} wins {a} of them"),
    _things("toy shop", "toy cars", "boxes", "sold", "A toy shop has {a} toy cars.|There are {a} toy cars in the window.",
            "{a} new toy cars arrive|{who} adds {a} toy cars", "{a} toy cars are sold|{who} buys {a} toy cars|{a} break"),
    _things("garden", "tulips", "beds", "picked", "{who} plants {a} tulips.|{a} tulips grow in the garden.",
            "{who} plants {a} more|{a} more tulips open", "{who} picks {a} tulips|{a} tulips dry out|the snow kills {a}"),
    _things("post office", "parcels", "sacks", "delivered", "The post office has {a} parcels.|{a} parcels lie in the post office.",
            "{a} parcels come in|a van brings {a} more parcels", "{a} parcels are delivered|{who} takes {a} parcels away|a van leaves with {a}", worth="Each costs ${a}. How much money is that?"),
    _things("hall", "seats", "rows", "taken", "A hall has {a} seats.|The hall has {a} free seats.",
            "{a} seats are added|{who} brings {a} more seats", "{a} seats are taken|{a} seats break|{a} of the seats are sold", worth="A ticket for each seat costs ${a}. How much money is that?", share="They stand in {a} equal rows. How many seats are in each?"),
    _things("building site", "bricks", "pallets", "used", "There are {a} bricks on the building site.|A lorry brings {a} bricks.",
            "a lorry brings {a} bricks more|{a} more bricks are delivered", "{who} uses {a} bricks|{a} bricks break|{a} are used for a wall"),
    _things("warehouse", "bottles", "crates", "sent out", "A warehouse holds {a} bottles.|The warehouse has {a} bottles.",
            "{a} bottles are delivered|{a} more bottles come in", "{a} bottles are sent out|{a} bottles break|{who} takes out {a}"),
    _things("market", "peaches", "boxes", "sold", "{who} takes {a} peaches to the market.|There are {a} peaches on the table.",
            "{who} gets {a} more peaches|{a} more peaches are brought", "{who} sells {a} peaches|{a} go bad|{other} buys {a} of them"),
    _things("photo shop", "photos", "albums", "printed", "{who} has {a} photos.|{who} takes {a} photos.",
            "{who} takes {a} more|{other} sends {who} {a} photos", "{who} deletes {a} photos|{a} photos are lost|{who} gives {a} away"),
    _things("office", "emails", "folders", "answered", "{who} has {a} emails.|There are {a} emails to answer.",
            "{a} new emails come in|{other} sends {a} more", "{who} answers {a} emails|{who} deletes {a}|{a} emails are answered", worth="", two="{who} has {a} emails, and {other} has {b}."),
    _things("print shop", "posters", "rolls", "sold", "A print shop prints {a} posters.|{who} has {a} posters.",
            "{a} more posters are printed|{who} prints {a} more", "{a} posters are sold|{who} puts up {a} posters|{a} are torn"),
    _things("pet shop", "fish", "tanks", "sold", "A pet shop has {a} fish.|There are {a} fish in the pet shop.",
            "{a} fish are bought|{a} more fish arrive", "{a} fish are sold|{who} buys {a} fish"),
    _things("party", "balloons", "bunches", "popped", "{who} has {a} balloons.|There are {a} balloons at the party.",
            "{who} blows up {a} more|{other} brings {a} balloons", "{a} balloons pop|{a} fly away|{who} gives {a} to {other}"),
    _things("music room", "songs", "lists", "played", "{who} knows {a} songs.|There are {a} songs on a phone.",
            "{who} adds {a} songs|{who} buys {a} more", "{who} deletes {a} songs|{a} songs are taken off", worth="", two="{who} knows {a} songs, and {other} knows {b} others."),
    _things("book", "pages", "chapters", "read", "A book has {a} pages.|{who} has {a} pages to read.",
            "{who} gets {a} more pages to read|{a} more pages are added", "{who} reads {a} pages|{a} pages are read", worth="", two="{who} reads {a} pages and {other} reads {b}.", share="They are read in {a} equal parts. How many pages is each?"),
    _things("football club", "goals", "games", "scored", "A team scores {a} goals.|{who} scores {a} goals.",
            "the team scores {a} more|{who} scores {a} goals more", "{a} goals don't count|{a} goals are taken away", _SCORES),
    _things("quiz", "points", "rounds", "scored", "{who} has {a} points.|{who} scores {a} points.",
            "{who} wins {a} points|{who} gets {a} more points", "{who} loses {a} points|{a} points are taken off", _SCORES),
    _people("bus", "people", "groups", "gone", "A bus carries {a} people.|There are {a} people on a bus.|A bus starts with {a} people.",
            "at a stop {a} get on|{a} people join|{a} more get on", "at a stop {a} get off|{a} people get off|{a} leave"),
    _people("train", "passengers", "carriages", "gone", "A train carries {a} passengers.|There are {a} passengers on the train.",
            "{a} passengers get on|at a station {a} more join", "{a} passengers get off|at a station {a} leave the train"),
    _people("ferry", "passengers", "rows", "seated", "A ferry leaves with {a} passengers.|There are {a} passengers on a ferry.",
            "at the harbour {a} get on|{a} passengers come on board", "{a} leave the ferry|at the harbour {a} get off"),
    _people("museum", "visitors", "groups", "gone", "A museum has {a} visitors.|There are {a} visitors in the museum.",
            "{a} visitors come in|{a} more arrive", "{a} visitors leave|{a} go home"),
    _people("hotel", "guests", "tables", "gone", "A hotel has {a} guests.|{a} guests stay at the hotel.",
            "{a} new guests arrive|{a} more guests come", "{a} guests leave|{a} guests go home"),
    _people("choir", "singers", "rows", "ill", "A choir has {a} singers.|{a} singers stand on the stage.",
            "{a} singers join the choir|{a} more come", "{a} singers leave|{a} singers are ill"),
    _people("camp", "children", "tents", "gone", "There are {a} children at the camp.|A camp begins with {a} children.",
            "{a} children arrive|{a} more children join", "{a} children go home|{a} leave the camp"),
    _money("savings box", "cards"),
    _money("purse", "old books"),
    _money("club fund", "cakes", begin="The club has ${a}.|There is ${a} in the fund."),
    _money("lemonade stall", "cups", begin="{who} starts the day with ${a}.|There is ${a} in the till."),
    _bill("clothes shop", "coat", "shirts", "a belt"),
    _bill("bicycle shop", "bicycle", "tyres", "a bell"),
    _bill("restaurant", "meal", "plates of soup", "dessert"),
    _bill("stationer", "printer", "notebooks", "paper"),
    _bill("ticket office", "ticket", "tickets", "the bus ride"),
    _bill("hardware shop", "tent", "batteries", "delivery"),
    _bill("bookshop", "guitar", "sandwiches", "a postcard"),
    _amount("road", "km", "drives", "done", begin="A lorry drives {a} km.|{who} drives {a} km.",
            groups="{who} drives {a} hours at {b} km/h.|A lorry drives {a} hours at {b} km/h.",
            **{"gain groups": "it drives {a} hours at {b} km/h|for {a} hours they go {b} km an hour", "gain": "there is a stretch of {a} km|it goes on for {a} km|{a} more km follow",
               "now up": "How many km is that in all?|How many kilometres is that in all?"}),
    _amount("bicycle tour", "km", "cycles", "done"),
    _amount("water tank", "litres", "pours in", "used", begin="A tank holds {a} litres.|There are {a} litres of water in a tank.",
            gain="{a} litres run in|{who} pours in {a} litres", lose="{a} litres run out|{who} uses {a} litres"),
    _amount("practice", "minutes", "plays", "done", gain="{who} plays {a} minutes more|{a} more minutes follow"),
    _amount("mill", "kg", "grinds", "sold", begin="A mill has {a} kg of flour.|{who} grinds {a} kg.",
            gain="{a} kg more are ground|{who} adds {a} kg", lose="{a} kg are sold|{who} uses {a} kg"),
    _amount("knitting", "metres", "knits", "used", lose="{a} metres are cut off|{who} uses {a} metres"),
)  # fmt: skip
