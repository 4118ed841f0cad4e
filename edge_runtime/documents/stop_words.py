"""Words that questions are made of and that say nothing of what is asked: English, German and Spanish."""

from __future__ import annotations

_TOLD = """
a about all also am an and any are as at be because been but by can could d did do does doesn don each for from get gets give got
had has have having he her here him his how i if in into is isn it its just know ll make me mean means my need needs no not of on
one or our out over please re s say set she should so some t tell than that the their them then there these they this those to up
us use used using ve very want was way we were what when where whether which who whom whose why will with without work works would you your
aber als am an auch auf aus bei bin bis bitte das dass dem den der des die dir du ein eine einem einen einer es finde für gibt
habe haben hat hier ich ihr im in ist ja kann kein keine können man mein meine mich mir mit muss nach nicht noch nur oder ob sag
sich sie sind so soll um und uns vom von vor wann warum was welche welchem welchen welcher welches wenn wer werden wie wieviel
will wir wird wo wofür woran zu zum zur über
al cómo con cual cuál cuáles cuando cuándo de del desde dime donde dónde el ella en es esta este esto está están hay la las lo los
más me mi mis muy no nos o para pero por porque puede puedo que qué quien quién quiero se ser si sin sobre son su sus también te
tengo tu un una unas unos y ya yo
"""
STOP_WORDS = frozenset(_TOLD.split())
