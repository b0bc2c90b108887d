"""The vocabulary of the synthetic population: common names by rank, and made-up rare ones."""

from itertools import product

_COMMON_FIRST = """
James Mary John Patricia Robert Jennifer Michael Linda David Elizabeth William Barbara Richard Susan
Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Sandra Anthony Betty
Mark Ashley Donald Emily Steven Kimberly Andrew Margaret Paul Donna Joshua Michelle Kenneth Carol Kevin
Amanda Brian Melissa Timothy Deborah Ronald Stephanie George Rebecca Jason Sharon Edward Laura Jeffrey
Cynthia Ryan Dorothy Jacob Amy Nicholas Kathleen Gary Angela Eric Shirley Jonathan Emma Stephen Brenda
Larry Pamela Justin Nicole Scott Anna Brandon Samantha Benjamin Katherine Samuel Christine Gregory Helen
Alexander Debra Patrick Rachel Frank Carolyn Raymond Janet Jack Maria Dennis Catherine Jerry Heather
Tyler Diane Aaron Olivia Jose Julie Adam Joyce Nathan Victoria Henry Ruth Zachary Virginia Douglas
Lauren Peter Kelly Kyle Christina Noah Joan Ethan Evelyn Jeremy Judith Walter Andrea Christian Hannah
Keith Cheryl Roger Megan Terry Jacqueline Austin Martha Sean Madison Gerald Teresa Carl Gloria Harold
Sara Dylan Janice Arthur Ann Lawrence Kathryn Jordan Abigail Jesse Sophia Bryan Frances Billy Jean Bruce
Alice Gabriel Judy Joe Isabella Logan Julia Alan Grace Juan Amber Albert Denise Willie Danielle Elijah
Marilyn Wayne Beverly Randy Charlotte Vincent Natalie Mason Theresa Roy Diana Ralph Brittany Bobby Doris
Russell Kayla Bradley Alexis Philip Lori Eugene Marie Owen Rhys Gareth Bethan Angus Fiona Niamh Aoife
Declan Ewan Isla Mohammed Fatima Ahmed Aisha Yusuf Zainab Omar Layla Ibrahim Noor Wei Mei Jun Ling Priya
Arjun Ananya Rohan Kavya Chloe Imogen Poppy Freya Harriet Alfie Archie Oscar Leo Theo Hugo Felix Jasper
Rupert Clive Nigel Trevor Graham Lorna Moira Agnes Edith Mabel Winifred Gwendolen Constance Verity
Philippa Rosalind Miriam Petra Ingrid Astrid
"""
_COMMON_LAST = """
Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White
Roberts Green Hall Wood Jackson Clarke Harris Clark Lewis Martin Cooper King Baker Turner Morris Hill
Ward Moore Harrison Morgan Patel Allen James Scott Phillips Watson Parker Khan Bennett Young Price Cook
Griffiths Mitchell Richardson Edwards Murphy Kelly Carter Shaw Hughes Collins Bailey Ali Bell Begum
Miller Cox Lee Singh Kaur Ahmed Hussain Campbell Stewart Anderson Marshall Palmer Mills Rogers Gibson
Fox Hunt Lloyd Simpson Dixon Ellis Murray Adams Graham Mason Barnes Webb Holmes Knight Butler Foster
Russell Powell Stevens Barker Fisher Matthews Reynolds O'Neill O'Brien Garcia-Lopez Fernandez Rossi
Novak Kowalski Nowak Schmidt Müller Weber Jensen Hansen Larsen Nguyen Tran Wang Chen
"""
_STARTS = """
Ash Beck Brad Cald Cres Dun El Far Gar Hal Hath Iver Kel Lang Mar Nor Ol Pem Quin Rad Sel
Thorn Ul Ven Wick York
"""
_MIDDLES = "er ing en al or ar es in on is"
_ENDS = "ton ham ley ford by wick worth field man well stone wood dale shaw croft more den bury sey gate"

FIRST_NAMES = _COMMON_FIRST.split()
LAST_NAMES = _COMMON_LAST.split() + [
    start + middle + end for middle, end, start in product(_MIDDLES.split(), _ENDS.split(), _STARTS.split())
]
NICKNAMES = {
    "James": "Jim", "Robert": "Bob", "Michael": "Mike", "David": "Dave", "William": "Bill", "Richard": "Dick",
    "Joseph": "Joe", "Thomas": "Tom", "Charles": "Charlie", "Christopher": "Chris", "Daniel": "Dan",
    "Matthew": "Matt", "Anthony": "Tony", "Andrew": "Andy", "Joshua": "Josh", "Kenneth": "Ken",
    "Timothy": "Tim", "Ronald": "Ron", "Edward": "Ted", "Nicholas": "Nick", "Stephen": "Steve",
    "Steven": "Steve", "Benjamin": "Ben", "Samuel": "Sam", "Gregory": "Greg", "Alexander": "Alex",
    "Patrick": "Pat", "Raymond": "Ray", "Nathan": "Nate", "Philip": "Phil", "Lawrence": "Larry",
    "Albert": "Al", "Patricia": "Pat", "Jennifer": "Jenny", "Elizabeth": "Liz", "Barbara": "Barb",
    "Susan": "Sue",
    "Margaret": "Peggy", "Deborah": "Debbie", "Rebecca": "Becky", "Katherine": "Kate", "Catherine": "Cathy",
    "Samantha": "Sam", "Christine": "Chris", "Victoria": "Vicky", "Jacqueline": "Jackie", "Kathleen": "Kathy",
    "Pamela": "Pam", "Amanda": "Mandy", "Abigail": "Abby", "Theresa": "Terry", "Frances": "Fran",
}  # fmt: skip
STREETS = [
    "Mill", "Church", "Station", "Park", "Victoria", "Albert", "Queens", "Kings", "Manor", "Beech",
    "Oak", "Elm",
    *(start + end for start, end in product(_STARTS.split(), _ENDS.split())),
]  # fmt: skip
STREET_KINDS = [
    ("Road", "Rd"),
    ("Street", "St"),
    ("Avenue", "Ave"),
    ("Lane", "Ln"),
    ("Close", "Cl"),
    ("Drive", "Dr"),
]
CITIES = [
    ("London", "SE"), ("Birmingham", "B"), ("Manchester", "M"), ("Leeds", "LS"), ("Glasgow", "G"),
    ("Sheffield", "S"), ("Bradford", "BD"), ("Liverpool", "L"), ("Edinburgh", "EH"), ("Bristol", "BS"),
    ("Cardiff", "CF"), ("Leicester", "LE"), ("Coventry", "CV"), ("Belfast", "BT"), ("Nottingham", "NG"),
    ("Newcastle upon Tyne", "NE"), ("Hull", "HU"), ("Plymouth", "PL"), ("Derby", "DE"), ("Southampton", "SO"),
    ("Portsmouth", "PO"), ("Aberdeen", "AB"), ("Swansea", "SA"), ("York", "YO"), ("Oxford", "OX"),
    ("Cambridge", "CB"), ("Norwich", "NR"), ("Exeter", "EX"), ("Durham", "DH"), ("Lincoln", "LN"),
    ("Taunton", "TA"), ("Carlisle", "CA"), ("Perth", "PH"), ("Dundee", "DD"), ("Inverness", "IV"),
]  # fmt: skip
DOMAINS = ["mail.example", "post.example", "home.example", "inbox.example", "work.example", "web.example"]
COMPANIES = [
    start + end + suffix
    for start, end, suffix in product(_STARTS.split()[:9], _ENDS.split()[:9], (" Ltd", " plc", " & Sons"))
]
