"""The facts the family is taught: small tables, one entry per line or comma, written by hand."""


def rows(text: str) -> list[tuple[str, ...]]:
    """Split a table of `a|b|c` lines into tuples."""
    return [tuple(line.split("|")) for line in text.strip().splitlines()]


def pairs(text: str) -> dict[str, str]:
    """Split `key=value, key=value` into a dictionary."""
    return dict(entry.strip().split("=") for entry in text.replace("\n", " ").split(","))


def words(text: str) -> list[str]:
    return text.split()


# country | capital | continent | currency
COUNTRIES = rows("""
France|Paris|Europe|euro
Germany|Berlin|Europe|euro
Spain|Madrid|Europe|euro
Italy|Rome|Europe|euro
Portugal|Lisbon|Europe|euro
Austria|Vienna|Europe|euro
Belgium|Brussels|Europe|euro
Greece|Athens|Europe|euro
Ireland|Dublin|Europe|euro
Finland|Helsinki|Europe|euro
the Netherlands|Amsterdam|Europe|euro
the United Kingdom|London|Europe|pound
the Czech Republic|Prague|Europe|koruna
Bulgaria|Sofia|Europe|euro
Croatia|Zagreb|Europe|euro
Estonia|Tallinn|Europe|euro
Latvia|Riga|Europe|euro
Lithuania|Vilnius|Europe|euro
Slovakia|Bratislava|Europe|euro
Slovenia|Ljubljana|Europe|euro
Norway|Oslo|Europe|krone
Denmark|Copenhagen|Europe|krone
Sweden|Stockholm|Europe|krona
Iceland|Reykjavik|Europe|krona
Poland|Warsaw|Europe|zloty
Hungary|Budapest|Europe|forint
Romania|Bucharest|Europe|leu
Serbia|Belgrade|Europe|dinar
Ukraine|Kyiv|Europe|hryvnia
Switzerland|Bern|Europe|franc
Albania|Tirana|Europe|lek
Russia|Moscow|Europe|rouble
Turkey|Ankara|Asia|lira
China|Beijing|Asia|yuan
Japan|Tokyo|Asia|yen
India|New Delhi|Asia|rupee
Nepal|Kathmandu|Asia|rupee
Pakistan|Islamabad|Asia|rupee
Thailand|Bangkok|Asia|baht
Vietnam|Hanoi|Asia|dong
Laos|Vientiane|Asia|kip
Mongolia|Ulaanbaatar|Asia|tugrik
South Korea|Seoul|Asia|won
Iran|Tehran|Asia|rial
Iraq|Baghdad|Asia|dinar
Jordan|Amman|Asia|dinar
Qatar|Doha|Asia|riyal
Saudi Arabia|Riyadh|Asia|riyal
Philippines|Manila|Asia|peso
Indonesia|Jakarta|Asia|rupiah
Malaysia|Kuala Lumpur|Asia|ringgit
Bangladesh|Dhaka|Asia|taka
Lebanon|Beirut|Asia|pound
Egypt|Cairo|Africa|pound
Sudan|Khartoum|Africa|pound
Morocco|Rabat|Africa|dirham
Tunisia|Tunis|Africa|dinar
Algeria|Algiers|Africa|dinar
Libya|Tripoli|Africa|dinar
Kenya|Nairobi|Africa|shilling
Uganda|Kampala|Africa|shilling
Ethiopia|Addis Ababa|Africa|birr
Ghana|Accra|Africa|cedi
Nigeria|Abuja|Africa|naira
Senegal|Dakar|Africa|franc
Mali|Bamako|Africa|franc
Rwanda|Kigali|Africa|franc
Angola|Luanda|Africa|kwanza
South Africa|Pretoria|Africa|rand
Zambia|Lusaka|Africa|kwacha
Botswana|Gaborone|Africa|pula
the United States|Washington|North America|dollar
Canada|Ottawa|North America|dollar
Mexico|Mexico City|North America|peso
Cuba|Havana|North America|peso
Jamaica|Kingston|North America|dollar
Costa Rica|San Jose|North America|colon
Honduras|Tegucigalpa|North America|lempira
Guatemala|Guatemala City|North America|quetzal
Brazil|Brasilia|South America|real
Argentina|Buenos Aires|South America|peso
Chile|Santiago|South America|peso
Uruguay|Montevideo|South America|peso
Colombia|Bogota|South America|peso
Peru|Lima|South America|sol
Ecuador|Quito|South America|dollar
Paraguay|Asuncion|South America|guarani
Venezuela|Caracas|South America|bolivar
Australia|Canberra|Oceania|dollar
New Zealand|Wellington|Oceania|dollar
Fiji|Suva|Oceania|dollar
""")

SYMBOLS = pairs("""hydrogen=H, helium=He, lithium=Li, carbon=C, nitrogen=N, oxygen=O, fluorine=F, neon=Ne,
sodium=Na, magnesium=Mg, aluminium=Al, silicon=Si, phosphorus=P, sulfur=S, chlorine=Cl, argon=Ar,
potassium=K, calcium=Ca, titanium=Ti, chromium=Cr, iron=Fe, cobalt=Co, nickel=Ni, copper=Cu, zinc=Zn,
silver=Ag, tin=Sn, iodine=I, gold=Au, mercury=Hg, lead=Pb, platinum=Pt, uranium=U, radium=Ra""")

YOUNG = pairs("""dog=puppy, cat=kitten, cow=calf, horse=foal, sheep=lamb, goat=kid, pig=piglet, hen=chick,
duck=duckling, goose=gosling, swan=cygnet, owl=owlet, bear=cub, lion=cub, wolf=pup, seal=pup, deer=fawn,
frog=tadpole, kangaroo=joey, hare=leveret, eagle=eaglet, fish=fry, whale=calf, fox=kit""")

SOUNDS = pairs("""dog=woof, cat=meow, cow=moo, sheep=baa, pig=oink, duck=quack, hen=cluck, horse=neigh, bee=buzz,
frog=croak, lion=roar, mouse=squeak, owl=hoot, snake=hiss, wolf=howl""")

HOMES = pairs("""bee=hive, bird=nest, spider=web, fox=den, rabbit=burrow, horse=stable, dog=kennel, pig=sty,
ant=anthill, beaver=lodge, hen=coop, bear=cave""")

LEGS = pairs("""dog=4, cat=4, horse=4, cow=4, spider=8, ant=6, bee=6, bird=2, hen=2, duck=2, snake=0, frog=4,
crab=10, butterfly=6, beetle=6, fish=0, worm=0, kangaroo=2""")

COLOURS = pairs("""banana=yellow, lemon=yellow, tomato=red, strawberry=red, carrot=orange, pumpkin=orange,
frog=green, cucumber=green, lime=green, polar bear=white, swan=white, crow=black, flamingo=pink, pig=pink,
elephant=grey, blueberry=blue, cherry=red, plum=purple, ruby=red, emerald=green, sapphire=blue""")

OPPOSITES = pairs("""hot=cold, big=small, tall=short, fast=slow, high=low, old=new, young=old, good=bad, happy=sad,
light=dark, day=night, up=down, left=right, open=closed, full=empty, hard=soft, wet=dry, early=late, loud=quiet,
near=far, strong=weak, rich=poor, clean=dirty, thick=thin, wide=narrow, first=last, inside=outside, true=false,
begin=end, buy=sell, win=lose, push=pull, love=hate, give=take, north=south, east=west, black=white, sweet=sour,
deep=shallow, heavy=light, above=below, always=never, summer=winter, laugh=cry, question=answer""")

PLURALS = pairs("""mouse=mice, child=children, man=men, woman=women, foot=feet, tooth=teeth, goose=geese, ox=oxen,
leaf=leaves, knife=knives, wolf=wolves, wife=wives, life=lives, shelf=shelves, city=cities, baby=babies,
box=boxes, bus=buses, dish=dishes, sheep=sheep, fish=fish, potato=potatoes, tomato=tomatoes, cat=cats, dog=dogs,
book=books, house=houses, key=keys, boy=boys, lady=ladies, story=stories, watch=watches, person=people""")

PASTS = pairs("""go=went, see=saw, eat=ate, run=ran, come=came, take=took, give=gave, write=wrote, read=read, sing=sang,
swim=swam, drink=drank, speak=spoke, break=broke, buy=bought, bring=brought, think=thought, teach=taught,
catch=caught, find=found, make=made, say=said, tell=told, know=knew, grow=grew, fly=flew, draw=drew, drive=drove,
walk=walked, play=played, jump=jumped, look=looked, cook=cooked, help=helped, sleep=slept, keep=kept""")

SIDES = pairs("triangle=3, square=4, rectangle=4, pentagon=5, hexagon=6, heptagon=7, octagon=8, decagon=10")

JOBS = pairs("""bakes bread=baker, teaches children=teacher, grows food=farmer, puts out fires=firefighter,
flies a plane=pilot, cuts hair=barber, fixes teeth=dentist, delivers letters=postman, paints pictures=painter,
writes books=writer, heals sick people=doctor, cooks meals=cook, builds houses=builder, catches fish=fisherman,
sings songs=singer, sails a ship=sailor, drives a bus=bus driver, looks after animals=vet""")

DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = words("January February March April May June July August September October November December")
PLANETS = words("Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune")
ORDINALS = words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")

# unit in the question | unit in the answer | how many of the second make one of the first
UNITS = rows("""
kilometres|metres|1000
metres|centimetres|100
metres|millimetres|1000
centimetres|millimetres|10
kilograms|grams|1000
litres|millilitres|1000
tonnes|kilograms|1000
euros|cents|100
dollars|cents|100
hours|minutes|60
minutes|seconds|60
days|hours|24
weeks|days|7
years|months|12
feet|inches|12
dozens|pieces|12
decades|years|10
centuries|years|100
""")

NAMES = words("""Ana Ben Carla David Emma Felix Grace Hugo Iris Jack Kate Leo Maria Nina Oscar Paul Rosa Sam Tom Uma
Vera Will Zoe Lila Max Nora Otto Pia Ruth Sofia Theo Yuki Omar Amir Lena Ivan Olga Mina Raj Sara""")

CITIES = [capital for _, capital, _, _ in COUNTRIES[:40]]

POOL = words("""apple bread cat dog egg fish green house ice jam kite lemon moon night orange pen queen river sun tree
umbrella violin water yellow zebra ant ball cloud door eagle flower grass hat island jungle king lamp mouse nest
ocean paper rabbit stone table uncle valley window bird chair drum farm goat hill ink jar key leaf milk nut owl
park road snow train van wolf boat cake desk fire garden horse""")

ITEMS = words("apple pen book ball lamp chair cake kite drum hat table jar boat clock cup")
