"""What the rules know of English: closed word classes and a few open ones, for pipelines without a trained model."""

from functools import cache

DETERMINERS = frozenset("the a an this that these those each every some any no another his her its their my our your".split())
POSSESSIVES = frozenset("his her its their my our your".split())
PREPOSITIONS = frozenset(
    """of in on at by with from for into onto upon about against between through during without within among toward towards behind
    beyond under over across around near inside outside above below beneath beside""".split()
)
AUXILIARIES = frozenset(
    """is are was were be been being am has have had do does did can could will would shall should may might must
    'd 'll 's 're 've n't not ca wo""".split()
)
SUBJECTS = frozenset("i you he she it we they who".split())
MALE = frozenset("he him his himself".split())
FEMALE = frozenset("she her hers herself".split())
SPEECH_VERBS = frozenset(
    """said says say asked asks answered replied cried shouted whispered muttered murmured called yelled snapped told added
    growled grunted exclaimed demanded agreed explained went continued remarked observed repeated sighed laughed declared announced
    commented grinned smiled nodded shrugged began insisted protested admitted suggested thought wondered groaned gasped screamed
    hissed breathed drawled interrupted wrote argues argued claims claimed writes""".split()
)
PLAIN_PAST = frozenset(
    """went came got knew saw took made gave told thought felt found left kept began stood sat ran put let held brought heard
    became lay lost met paid sent spoke caught threw fell grew rose drew broke wore ate drank slept spent meant shook struck hung
    flew swung shot sank bent slid led read built bought taught fought won hit cut set shut""".split()
)
HONORIFICS = frozenset(
    """mr mrs ms miss dr mister sir madam lady lord captain cap cap'n commander lieutenant major colonel general admiral sergeant
    corporal private professor doctor president senator governor judge king queen prince princess father mother brother sister
    uncle aunt ma pa old saint st inspector officer chief reverend bishop pope secretary minister engineer skipper ensign cadet brevet
    marshal sheriff deputy constable rabbi dean dame duke duchess count countess baron baroness emperor empress chancellor ambassador
    herr frau madame monsieur mademoiselle rep rev sen gov gen lt capt col sgt prof cmdr adm maj hon""".split()
)
GENERATIONS = frozenset("jr sr ii iii iv".split())
# Titles that make another person of the same surname: "Ma Kirk" is not Wes Kirk, as "Captain Kirk" may be.
KIN_TITLES = frozenset("ma pa mother father uncle aunt brother sister king queen prince princess mrs ms miss lady saint st".split())
OFFICES = frozenset(
    """captain commander lieutenant major colonel general admiral sergeant corporal professor doctor president senator governor judge
    king queen secretary minister engineer skipper inspector bishop pope chief""".split()
)
MALE_TITLES = frozenset("mr mister sir lord king prince father brother uncle pa grandfather duke count baron emperor herr monsieur".split())
FEMALE_TITLES = frozenset(
    "mrs ms miss madam lady queen princess mother sister aunt ma grandmother dame duchess countess baroness empress frau madame".split()
)
MALE_GIVEN = frozenset(
    """james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven paul
    andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry
    justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack dennis jerry tyler aaron jose henry adam douglas
    nathan peter zachary kyle walter harold carl arthur roger albert bruce willie ralph eugene louis philip bobby johnny bill bob jim
    joe tom dick harry fred ernest ted ben sam max leo hugo felix otto oscar simon martin edgar hugh roy stanley leonard alfred earl
    clarence herbert theodore isaac abraham jonah julius conrad victor emil anton jonas tobias stefan magnus gideon""".split()
)
FEMALE_GIVEN = frozenset(
    """mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly emily
    donna michelle carol amanda melissa deborah stephanie rebecca laura helen sharon cynthia kathleen amy anna ruth brenda pamela
    nicole katherine virginia catherine christine samantha debra janet rachel carolyn emma maria heather diane julie joyce victoria
    kelly christina joan evelyn lauren judith olivia frances martha cheryl megan andrea hannah jacqueline ann anne jean alice kathryn
    gloria teresa doris sara janice julia marie grace judy theresa rose denise marilyn amber danielle beverly isabella diana charlotte
    hillary monica celia ivy edith clara nora vera ada ellen jane kate lucy susanna sophia agnes alma dora freya maud elsa greta""".split()
)
PERSON_NOUNS = frozenset(
    "someone somebody other another one person child baby guard leader chief cook youth kid friend native patient expert pilot".split()
)
PERSON_SUFFIXES = ("er", "or", "ist", "ian")
MALE_NOUNS = frozenset("man boy king prince father brother son uncle husband gentleman lad fellow monk priest lord".split())
FEMALE_NOUNS = frozenset("woman girl queen princess mother sister daughter aunt wife lady maid nun widow witch".split())
ABBREVIATED_TITLES = frozenset(
    "mr. mrs. ms. dr. st. rev. sen. gov. gen. lt. capt. col. sgt. prof. rep. jr. sr. cmdr. adm. maj. hon.".split()
)
INTERJECTIONS = frozenset(
    """oh ah aye yes no yeah well okay ok hey hello hell god lord sure please thanks thank maybe sorry damn goodbye sir ma'am
    gosh alas good nonsense hmm""".split()
)
CALENDAR = frozenset(
    """monday tuesday wednesday thursday friday saturday sunday january february march april june july august september october
    november december""".split()
)
# Nouns that name too little to be an entity by themselves, however often they come.
GENERIC_NOUNS = frozenset(
    """way ways time times thing things moment moments minute minutes second seconds hour hours day days night nights week weeks month
    months year years morning evening afternoon today tomorrow yesterday instant while point points part parts piece kind kinds sort
    sorts lot lots bit couple number pair rest half end ends beginning start middle side sides top bottom front back edge corner
    place places case cases fact facts example matter matters reason reasons result results course order sense idea word words name
    names question questions answer answers line lines form forms view look looks glance sight sound sounds voice voices tone
    eye eyes hand hands head heads face faces arm arms leg legs foot feet finger fingers shoulder shoulders mouth lips ear ears nose
    hair skin back neck throat chest knee knees teeth chin fist forehead heart breath mind body gaze smile grin laugh tears
    man men woman women boy boys girl girls person people someone guy guys fellow fellows one ones others other child children
    moment chance trouble turn step steps move use need want try feeling thought thoughts attention care interest
    amount degree level size length distance inch inches foot mile miles yard yards pound pounds percent
    door doors window floor wall walls room rooms table chair desk bed ground air light dark darkness
    life death world work job thing stuff deal bunch set group handful lack
    mr mrs ms story article book piece chapter title author reader readers word page
    right left wrong good bad best better worst least most more little few big great small new old long short high low
    first last next same different own whole only real true sure able ready full free early late
    direction position situation condition position silence pause effort act action change hope
    something anything nothing everything anyone everyone nobody somebody anybody everybody myself himself herself itself
    themselves yourself ourselves reply nod shrug sigh whisper mood expression movement gesture manner difference
    arm elbow wrist ankle toe toes hip hips jaw cheek cheeks brow tongue throat nerves muscles muscle bone bones spine lungs stomach
    belly flesh lid lids eyelids pupils pulse hold grip glimpse stare frown scowl wink cry shout scream yell groan thud crash
    air wind sky sun rain heat cold noise color colour shadow shadows smoke dust heap pile row
    piece distance speed weight shape size fraction quarter pause entrance angle path tail space hole
    kid kids mister sir reach favor favour breeze step pace start trip visit call glance hint sign deal plenty couple dozen
    difficulty possibility opportunity advantage purpose intention attempt effect cause concern doubt hurry habit
    total future past present century age seconds decade weekend sake behalf lieu verge brink midst""".split()
)
# Words that end like a verb, adverb or function word yet slip through the closed classes.
NOT_NOUNS = frozenset(
    """said hurt cost know think want see come look tell feel let says gets goes comes makes takes seems means knows wants think thinks
    quite very too just even still yet ever never always often soon again away here there now then
    much many such own other another else enough almost only back off out up down like unlike
    good bad big small little great new old young long short high low large huge tiny own full dead sure certain
    white black red green blue gray grey brown yellow dark bright cold hot warm hard soft heavy light deep thin thick tall
    strange sudden single double first second third last next final whole able possible impossible
    better best worse worst less least more most few several various
    one two three four five six seven eight nine ten twelve twenty thirty fifty hundred thousand million dozen
    close near far open wide loose fast slow quick going coming getting making taking looking trying being having doing
    yes ok okay please don't can't because although though unless whether however therefore perhaps maybe""".split()
) | PLAIN_PAST
NOUN_SUFFIXES = tuple("tion sion ness ment ity ism ance ence ship hood logy cracy sis tude dom cy graphy".split())
VERB_SUFFIXES = ("ed", "ing", "ly", "n't")
ADJECTIVE_SUFFIXES = tuple("ous ful less able ible ish ive ical ic al ary".split())


@cache
def stop_words() -> frozenset[str]:
    """spaCy's stop words, and the pieces that its tokeniser makes of contractions."""
    from spacy.lang.en.stop_words import STOP_WORDS

    return frozenset(STOP_WORDS) | {"i", "let", "mr", "mrs"}
