"""What a study cannot do is refused before anything is drawn or written."""

from ..models.levels import find_levels
from .batches import training_parts
from .recognition import check_classes
from .solving import check_recipe
from .study import Study


def check_study(study: Study) -> None:
    """Refuse a study that would stop before its end; whatever is refused here costs no time.

    Of given pictures the first is asked for, so that an empty folder is not found out later.

    Raises:
        SchedulerError: if the scheduler cannot take so many steps, or does not run the denoiser
            once in each.
        PromptError: if too few prompts are for training, or name a class where those are asked for.
        RunError: if the study's recipe would keep too much.
        LabelError: if the first given picture or its labels cannot be read.
    """
    find_levels(study.model, steps=study.steps)
    training_parts(study)
    check_recipe(study)
    if study.namer is not None:
        check_classes(study)
    if study.pictures is not None:
        study.pictures(study.split.train[:1])
