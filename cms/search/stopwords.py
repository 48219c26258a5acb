"""The commonest words of the languages we know best.

Indexed like any other word (titles and phrases need them), but a query with other words does not insist on them. Ours and
not a library's, because ready-made lists contain words that mean something: ``by`` is a town, ``is`` is ice, ``to`` is two.
"""

_NORWEGIAN = """
alle alt altså at av bare begge ble blei bli blir blitt blive både bør båe da de dei deira deires dem den denne der dere
deres det dette di din disse ditt du då eg ein eit ei eitt eller elles en enn er et ett etter for fordi fra frå før få
får gjorde gjør ha hadde han hans har hennar henne hennes her hjå ho hoe honom hos hun hva hvem hver hvilke hvilken hvis
hvor hvordan hvorfor i ikke ikkje ingen inn innan ja jeg kan kom korleis korso kva kvar kvarhelst kven kvi kvifor kunne
man mange me med medan meg meget mellom men mer mi min mitt mot mye mykje må mine ned no noe noen noka noko nokon nokor
nokre nå når og også om opp oss over på samme seg selv si sia sidan siden sin sine sitt skal skulle slik so som somme så
sånn til um upp ut uten var vart varte ved vere verte vi vil ville vore vors vort vår være vært å berre mens etter under
kven hvilket desse mykje dine dykk dykkar de fleste
"""
_ENGLISH = """
a about above after again against all also am an and any are as at be because been before being below between both but
by can cannot could did do does doing down during each few for from further had has have having he her here hers herself
him himself his how i if in into is it its itself just me more most my myself no nor not now of off on once only or other
our ours ourselves out over own same she should so some such than that the their theirs them themselves then there these
they this those through to too under until up very was we were what when where which while who whom why will with would
you your yours yourself yourselves
"""

STOPWORDS = {"norwegian": frozenset(_NORWEGIAN.split()), "english": frozenset(_ENGLISH.split())}

# What a question begins with, in any of them.
_QUESTIONS = """
hva hvem hvor hvordan hvorfor hvilken hvilket hvilke når kva kven kor korleis kvifor kvar
what who where how why when which whose
"""
QUESTION_WORDS = frozenset(_QUESTIONS.split())
