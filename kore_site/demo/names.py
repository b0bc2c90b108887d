"""Words to make fans from: names with their short forms, and towns that stand on no map."""

# The formal name first, then what the same person is also called.
GIVEN_NAMES: tuple[tuple[str, ...], ...] = (
    ("Abigail", "Abby", "Gail"),
    ("Adam",),
    ("Aisha",),
    ("Alan", "Al"),
    ("Alexander", "Alex", "Sandy"),
    ("Alice", "Ali"),
    ("Amanda", "Mandy"),
    ("Amir",),
    ("Andrew", "Andy", "Drew"),
    ("Angela", "Angie"),
    ("Anita",),
    ("Anthony", "Tony"),
    ("Barbara", "Babs", "Barb"),
    ("Beatrice", "Bea"),
    ("Benjamin", "Ben"),
    ("Bilal",),
    ("Bridget", "Biddy"),
    ("Callum", "Cal"),
    ("Caroline", "Carrie"),
    ("Catherine", "Cathy", "Kate"),
    ("Charlotte", "Lottie"),
    ("Chidi",),
    ("Christine", "Chris", "Tina"),
    ("Christopher", "Chris", "Kit"),
    ("Daniel", "Dan", "Danny"),
    ("David", "Dave"),
    ("Deborah", "Debbie"),
    ("Derek",),
    ("Dominic", "Dom"),
    ("Dorothy", "Dot"),
    ("Edward", "Ed", "Ted"),
    ("Eleanor", "Ellie", "Nell"),
    ("Elizabeth", "Liz", "Beth"),
    ("Emily", "Em"),
    ("Emmanuel", "Manny"),
    ("Farah",),
    ("Fiona", "Fi"),
    ("Frances", "Fran"),
    ("Francis", "Frank"),
    ("Frederick", "Fred"),
    ("Gareth",),
    ("Geoffrey", "Geoff"),
    ("Georgina", "Georgie"),
    ("Gerald", "Gerry"),
    ("Gillian", "Gill"),
    ("Grace",),
    ("Gregory", "Greg"),
    ("Gwendolyn", "Gwen"),
    ("Hamza",),
    ("Hannah",),
    ("Harold", "Harry"),
    ("Hazel",),
    ("Helen", "Nell"),
    ("Hugh", "Hughie"),
    ("Ian",),
    ("Imogen", "Immy"),
    ("Isabella", "Bella", "Izzy"),
    ("Ivan",),
    ("Jacob", "Jake"),
    ("Jacqueline", "Jackie"),
    ("James", "Jim", "Jamie"),
    ("Janet", "Jan"),
    ("Jasmine", "Jas"),
    ("Jennifer", "Jenny", "Jen"),
    ("Jeremy", "Jerry"),
    ("Jessica", "Jess"),
    ("Joanna", "Jo"),
    ("John", "Jack"),
    ("Jonathan", "Jon"),
    ("Joseph", "Joe"),
    ("Joshua", "Josh"),
    ("Judith", "Judy"),
    ("Julian",),
    ("Karim",),
    ("Katarzyna", "Kasia"),
    ("Keith",),
    ("Kenneth", "Ken"),
    ("Kevin", "Kev"),
    ("Kwame",),
    ("Laura",),
    ("Lawrence", "Larry"),
    ("Leonard", "Len"),
    ("Lewis", "Lew"),
    ("Linda", "Lin"),
    ("Lucy",),
    ("Malcolm", "Mal"),
    ("Margaret", "Maggie", "Peggy"),
    ("Maria",),
    ("Marek",),
    ("Martin", "Marty"),
    ("Matthew", "Matt"),
    ("Maureen", "Mo"),
    ("Megan", "Meg"),
    ("Mei",),
    ("Michael", "Mike", "Mick"),
    ("Miriam",),
    ("Mohammed", "Mo"),
    ("Naomi",),
    ("Natalie", "Nat"),
    ("Nathaniel", "Nathan", "Nat"),
    ("Nicholas", "Nick"),
    ("Nicola", "Nicky"),
    ("Nigel",),
    ("Olivia", "Liv"),
    ("Oluwaseun", "Seun"),
    ("Oscar",),
    ("Pamela", "Pam"),
    ("Patricia", "Pat", "Trish"),
    ("Patrick", "Paddy"),
    ("Penelope", "Penny"),
    ("Peter", "Pete"),
    ("Philip", "Phil"),
    ("Priya",),
    ("Rachel", "Rach"),
    ("Rajesh", "Raj"),
    ("Raymond", "Ray"),
    ("Rebecca", "Becky"),
    ("Richard", "Rick", "Dick"),
    ("Robert", "Bob", "Rob"),
    ("Ronald", "Ron"),
    ("Rosemary", "Rosie"),
    ("Ruth",),
    ("Samantha", "Sam"),
    ("Samuel", "Sam"),
    ("Sarah", "Sally"),
    ("Simon", "Si"),
    ("Sofia", "Sophie"),
    ("Stanley", "Stan"),
    ("Stephanie", "Steph"),
    ("Stephen", "Steve"),
    ("Susan", "Sue"),
    ("Tamara", "Tammy"),
    ("Terence", "Terry"),
    ("Theodore", "Theo", "Ted"),
    ("Theresa", "Tess"),
    ("Thomas", "Tom"),
    ("Timothy", "Tim"),
    ("Valerie", "Val"),
    ("Veronica", "Ronnie"),
    ("Victoria", "Vicky"),
    ("Vincent", "Vince"),
    ("Walter", "Wally"),
    ("Wei",),
    ("William", "Bill", "Will"),
    ("Yasmin", "Yas"),
    ("Yusuf",),
    ("Zachary", "Zach"),
    ("Zainab",),
    ("Zoe",),
)

# The further down, the rarer: drawn with falling weights, as surnames are.
_SURNAMES = """
    Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Robinson Wright Thompson Evans Walker
    White Roberts Green Hall Wood Jackson Clarke Khan Hughes Edwards Turner Hill Moore Ahmed Cooper Ward
    Morris King Watson Harrison Baker Morgan Allen Scott Adams Mitchell Hussain Phillips Campbell Lee Ali
    Kelly Parker Bennett Shaw Murphy Begum Cox Price Singh Marshall Ellis Simpson Stewart Bailey Foster
    Chapman Webb Rogers Gray Hunt Mills Palmer Holmes Owen Fisher Knight Barnes Lloyd Butler Russell
    Barker Stevens Jenkins Dixon Fletcher Hunter Graham Murray Reid Pearson Andrews Matthews Grant Ford
    Rahman Payne Mason Dean Kaur Lawrence Okafor Nowak Reyes Diaz Costa Silva Kowalski Mensah Adeyemi
    Nguyen Chen O'Brien O'Neill O'Connor McDonald MacLeod Fitzgerald Ashdown Blackwood Carrow Dunmore
    Eastwick Fairburn Garside Hathersage Ingleby Jessop Kettlewell Lockhart Marlow Netherby Oakeshott
    Pemberton Quennell Ravenscroft Saltmarsh Tarrant Underhill Vance Whitlock Yardley Abernethy
    Birtwhistle Cattermole Dalgleish Entwistle Featherstone Goldsworthy Heatherington Illingworth Jellicoe
    Kirkbride Lillywhite Musgrave Nightingale Ormerod Partridge Quayle Rowbotham Sugden Thistlethwaite
    Uttley Venables Wigglesworth Youngblood Zielinski Akhtar Bhatt Chaudhry Desai Farooq Ghosh Iqbal Joshi
    Kapoor Malik Nair Qureshi Rao Sharma Verma Adebayo Boateng Chukwu Diallo Eze Fofana Ibekwe Kamara
    Lawal Nkosi Osei Sesay Toure Bianchi Conti Esposito Ferrari Gallo Lombardi Moretti Romano Bauer
    Fischer Hoffmann Keller Schneider Vogel Weber Dubois Laurent Moreau Petit Rousseau Svensson Larsen
    Nilsen Smith-Carrow Taylor-Marlow Lewis-Grant
"""
SURNAMES: tuple[str, ...] = tuple(_SURNAMES.split())

# No such towns, and no such postcode area: nobody lives at these addresses.
TOWNS: tuple[tuple[str, str], ...] = (
    ("Saltmere", "XS1"),
    ("Saltmere", "XS2"),
    ("Saltmere", "XS3"),
    ("Saltmere", "XS4"),
    ("Saltmere", "XS5"),
    ("Northgate", "XS6"),
    ("Ashby Sound", "XS7"),
    ("Castlebridge", "XS8"),
    ("Wickham Sands", "XS9"),
    ("Thornholme", "XS10"),
    ("Little Marram", "XS11"),
    ("Great Marram", "XS12"),
    ("Eddystow", "XS13"),
    ("Kelder Bay", "XS14"),
    ("Upper Fenwick", "XS15"),
    ("Ravensmoor", "XS16"),
    ("Ottersby", "XS17"),
    ("Gullhaven", "XS18"),
    ("Lantern Point", "XS19"),
    ("Holmewick", "XS20"),
)

_STREET_NAMES = """
    Quay Anchor Lantern Harbour Mill Church Station Chandler Rope Cooper Beacon Orchard Linden Heron Meadow
    Victoria Albert Chapel Market Bridge Foundry Tanner Saddler Lighthouse Samphire
"""
STREETS: tuple[str, ...] = tuple(
    f"{name} {kind}" for name in _STREET_NAMES.split() for kind in ("Street", "Road", "Lane", "Close")
)

# Numbers that the regulator keeps for drama: none of them rings anywhere.
LANDLINES: tuple[str, ...] = (
    "0113 496 0",
    "0114 496 0",
    "0115 496 0",
    "0116 496 0",
    "0117 496 0",
    "0118 496 0",
    "0121 496 0",
    "0131 496 0",
    "0141 496 0",
    "0151 496 0",
    "0161 496 0",
    "0191 498 0",
    "020 7946 0",
    "01632 960",
    "028 9649 6",
    "029 2018 0",
)
MOBILES = "07700 900"

MAIL_HOSTS: tuple[str, ...] = (
    "example.org",
    "example.net",
    "example.com",
    "mail.example.org",
    "post.example.net",
)
_FIRMS = "Kelder Marram Northgate Anchor Tidewater Fenwick Saltworks Beacon Ottersby Chandlers"
COMPANIES: tuple[str, ...] = tuple(
    f"{name} {kind}"
    for name in _FIRMS.split()
    for kind in ("Logistics Ltd", "Motors", "& Sons", "Dental", "Joinery", "Partners LLP")
)
# What people and systems write where they know nothing.
PLACEHOLDERS: tuple[str, ...] = ("n/a", "-", "null", "none", "unknown")
